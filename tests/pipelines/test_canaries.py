"""When a canary is stopped, and how seldom without cause."""

from __future__ import annotations

import random
from fractions import Fraction
from math import comb
from statistics import median

import pytest

from mirepoix.rollouts import Side
from pipelines.canaries import FALSE_STOPS, FEWEST, fisher, judge_canary

BESIDE = 9
"""Jobs that go the old way for each of the canary: a share of 10 %."""


def exactly(canary: Side, base: Side) -> float:
    """The same tail with whole numbers."""
    jobs, failed = canary.jobs + base.jobs, canary.failed + base.failed
    ways = sum(
        comb(failed, count) * comb(jobs - failed, canary.jobs - count)
        for count in range(canary.failed, min(failed, canary.jobs) + 1)
    )
    return float(Fraction(ways, comb(jobs, canary.jobs)))


@pytest.mark.parametrize(
    ("canary", "base"),
    [
        (Side(20, 3), Side(180, 5)),
        (Side(20, 20), Side(180, 0)),
        (Side(1000, 60), Side(9000, 400)),
        (Side(50, 0), Side(10, 10)),
        (Side(30, 30), Side(30, 30)),
        (Side(25, 5), Side(0, 0)),
    ],
)
def test_the_tail_is_that_of_the_hypergeometric_distribution(canary: Side, base: Side) -> None:
    assert fisher(canary, base) == pytest.approx(exactly(canary, base), rel=1e-6)


def test_nothing_is_said_of_few_jobs_and_a_broken_canary_stops_as_soon_as_something_may_be() -> None:
    assert judge_canary(Side(FEWEST - 1, FEWEST - 1), Side(200, 0)) is None
    verdict = judge_canary(Side(FEWEST, FEWEST), Side(200, 2))
    assert verdict is not None
    assert verdict.stops
    assert verdict.reason.startswith("20 of 20 jobs (100.0%) of the canary failed, 2 of 200 jobs (1.0%) of the others")


def test_what_fails_beside_it_as_well_is_not_the_canarys_fault() -> None:
    alike = judge_canary(Side(100, 90), Side(900, 810))
    better = judge_canary(Side(100, 0), Side(900, 450))
    alone = judge_canary(Side(100, 100), Side(0, 0))
    assert not any(verdict.stops for verdict in (alike, better, alone) if verdict is not None)


def test_the_levels_of_all_looks_sum_up_to_the_false_stops_that_are_allowed() -> None:
    verdicts = [judge_canary(Side(jobs, 0), Side(1, 0)) for jobs in range(FEWEST, 20_000)]
    assert sum(verdict.level for verdict in verdicts if verdict is not None) == pytest.approx(FALSE_STOPS, rel=0.01)


def stopped_after(dice: random.Random, failing: float, beside: float, most: int) -> int | None:
    """At which job a simulated canary is stopped that is judged after each."""
    canary, base = Side(0, 0), Side(0, 0)
    for _ in range(most):
        canary = Side(canary.jobs + 1, canary.failed + (dice.random() < failing))
        base = Side(base.jobs + BESIDE, base.failed + sum(dice.random() < beside for _ in range(BESIDE)))
        verdict = judge_canary(canary, base)
        if verdict is not None and verdict.stops:
            return canary.jobs
    return None


def test_a_canary_without_fault_is_hardly_ever_stopped_and_a_bad_one_soon() -> None:
    dice = random.Random(7)
    good = [stopped_after(dice, 0.05, 0.05, 150) for _ in range(200)]
    bad = [stopped_after(dice, 0.3, 0.05, 300) for _ in range(100)]
    assert sum(after is not None for after in good) / len(good) <= FALSE_STOPS
    assert None not in bad
    stops = [after for after in bad if after is not None]
    assert median(stops) <= 60
