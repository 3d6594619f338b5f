"""A worker's memory stays flat, and one that grew would be told."""

from __future__ import annotations

import pytest

from bench.memory import Point, verdict, watch

CALLS, A_POINT, WORDS = 3_000, 150, 2_000
MOST = 2_000
"""Bytes a call, a fifth of its text: so soon after the start statements are still prepared on more connections."""


def points(grows: int) -> list[Point]:
    """200,000 calls of a worker that takes 50 MB more at first, and grows by so many bytes with each."""
    calls = range(2_000, 200_001, 2_000)
    return [Point(each, each / 50, {"worker": min(each * 5_000, 50_000_000) + each * grows}) for each in calls]


@pytest.mark.parametrize(("grows", "flat"), [(0, True), (50, True), (200, False)])
def test_a_line_through_the_warm_points_is_the_verdict(grows: int, flat: bool) -> None:
    result = verdict(points(grows))
    (goal,) = result.goals
    assert goal.value == pytest.approx(grows, abs=1)
    assert goal.met is flat
    assert len(result.series["worker"]) == 100


@pytest.mark.system
@pytest.mark.embedded
@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_worker_keeps_nothing_of_its_calls() -> None:
    seen = list(watch(CALLS, A_POINT, words=WORDS))
    assert [point.calls >= A_POINT * number for number, point in enumerate(seen, start=1)] == [True] * len(seen)
    assert seen[-1].calls == CALLS
    (goal,) = verdict(seen, warm=0.5, most=MOST).goals
    assert goal.met, goal
