"""The figures that are kept in the repository are of one run."""

from __future__ import annotations

from bench.run import LATEST, PARTIAL, SECTIONS, kept_in
from bench.scale import Scale


def test_only_a_full_run_of_all_sections_is_the_latest() -> None:
    all_of_them = list(SECTIONS)
    assert kept_in(Scale.FULL, all_of_them) == LATEST
    assert kept_in(Scale.FULL, all_of_them[:-1]) == PARTIAL
    assert kept_in(Scale.QUICK, all_of_them) == PARTIAL
