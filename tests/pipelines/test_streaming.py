"""Whose text is the job's answer as it comes."""

from __future__ import annotations

import pytest

from mirepoix.paths import find
from mirepoix.spec import parse
from pipelines.streaming import speaks_for_the_job

CALL = {"call": {"model": "a"}}
SHAPED = {"call": {"model": "a", "schema": {"type": "object"}}}
TO = [{"below": 0.5, "chain": [CALL, {"when": "true", **CALL}]}, CALL]


@pytest.mark.parametrize(
    ("shape", "path", "speaks"),
    [
        (CALL, "$", True),
        (SHAPED, "$", False),
        ({"route": {"by": "complexity", "to": TO}}, "to.0.0", False),
        ({"route": {"by": "complexity", "to": TO}}, "to.0.1.then.0", True),
        ({"route": {"by": "complexity", "to": TO}}, "to.1", True),
        ({"cascade": {"tiers": [CALL]}}, "tiers.0", False),
        ({"ensemble": {"members": [CALL]}}, "members.0", False),
        ({"map": {"each": CALL}}, "items.0", False),
        ({"chain": [CALL, SHAPED]}, "1", False),
    ],
)
def test_only_what_is_handed_up_unchanged_is_told(shape: object, path: str, speaks: bool) -> None:
    assert speaks_for_the_job(find(parse(shape), path)) is speaks
