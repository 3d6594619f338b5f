"""The benchmark of a noisy neighbour lets one provider hang, and has every job answered in the end."""

from __future__ import annotations

import pytest

from bench.neighbour import Pace, measure


@pytest.mark.system
@pytest.mark.long
def test_jobs_of_one_provider_hang_while_others_are_answered() -> None:
    heard = measure(Pace(before=2, hang=3, noisy=0.5, busy=0.1, fewest=12))
    assert heard.hung >= 3
    assert heard.most_out >= 2, "calls to the provider that hangs are out together"
    assert heard.before
    assert heard.during
    assert min(heard.before + heard.during) > 0.1, "the provider takes that long"
