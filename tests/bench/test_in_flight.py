"""The benchmark of many calls in flight has as many in flight as it says."""

from __future__ import annotations

import pytest

from bench.in_flight import ASYNCIO, OURS, Case, run_case


@pytest.mark.system
@pytest.mark.long
def test_all_gathered_calls_are_in_flight_at_one_moment() -> None:
    taken = run_case(Case(OURS, 40, gathered=True))
    assert taken.most_out == 40
    assert 0 < taken.publish < taken.makespan
    assert taken.makespan > 1, "a call takes a second"
    assert taken.usage["worker"].cpu > 0
    assert taken.usage["worker"].peak > 50e6


@pytest.mark.system
def test_the_limit_has_more_calls_out_than_a_pool_of_httpx_allows_by_itself() -> None:
    taken = run_case(Case(ASYNCIO, 150))
    assert taken.most_out == 150
    assert taken.makespan > 1
