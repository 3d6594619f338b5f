"""RouteLLM's metrics and the step curve, against values worked out by hand and what must hold for any curve."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning.compare.metrics import (
    Floats,
    Pair,
    apgr_by_calls,
    apgr_by_cost,
    area,
    cpt_by_calls,
    cpt_by_cost,
    saved,
)

WEAK, STRONG = 0.6, 0.8


def numbers(*values: float) -> Floats:
    return np.array(values, float)


def pair(cheap: tuple[float, float] = (WEAK, 1.0), strong: tuple[float, float] = (STRONG, 11.0)) -> Pair:
    return Pair(*(np.array(value) for value in (*cheap, *strong)))


def test_calls_at_random_recover_half_of_the_gap_on_average() -> None:
    calls = np.linspace(0, 1, 11)
    quality = WEAK + (STRONG - WEAK) * calls
    assert apgr_by_calls(quality, calls, pair()) == pytest.approx(0.5)
    assert cpt_by_calls(quality, calls, pair(), 0.5) == pytest.approx(0.5)
    assert cpt_by_calls(quality, calls, pair(), 0.8) == pytest.approx(0.8)


def test_a_router_that_finds_the_hard_questions_first() -> None:
    """With a quarter of the calls it has the whole gap: under PGR lie a triangle of 0.125 and a rectangle of 0.75."""
    quality, calls = numbers(WEAK, STRONG, STRONG), numbers(0, 0.25, 1)
    assert apgr_by_calls(quality, calls, pair()) == pytest.approx(0.875)
    assert cpt_by_calls(quality, calls, pair(), 0.5) == pytest.approx(0.125)
    assert cpt_by_calls(quality, calls, pair(), 0.8) == pytest.approx(0.2)


def test_better_than_the_strong_model_is_more_than_the_gap() -> None:
    assert apgr_by_calls(numbers(WEAK, 0.9, STRONG), numbers(0, 0.5, 1), pair()) == pytest.approx(1.0)


def test_the_area_is_what_a_budget_buys() -> None:
    """Costs of 1 to 11: at 0.6 until 3.5, at 0.7 until 8.5, then at 0.75; what costs more than 11 cannot be bought."""
    quality, cost = numbers(0.75, 0.7, 0.99), numbers(8.5, 3.5, 12)
    expected = (0.6 * 2.5 + 0.7 * 5 + 0.75 * 2.5) / 10
    assert area(quality, cost, pair()) == pytest.approx(expected)
    assert apgr_by_cost(quality, cost, pair()) == pytest.approx((expected - 0.6) / 0.2)
    assert cpt_by_cost(quality, cost, pair(), 0.5) == pytest.approx(0.25)
    assert cpt_by_cost(quality, cost, pair(), 0.8) == pytest.approx(1.0)


def test_what_is_saved_at_a_share_of_the_strong_models_quality() -> None:
    quality, cost = numbers(0.79, 0.77, 0.8), numbers(6, 2, 10)
    assert saved(quality, cost, pair(), 1.0) == pytest.approx(1 - 10 / 11)
    assert saved(quality, cost, pair(), 0.98) == pytest.approx(1 - 6 / 11)
    assert saved(quality, cost, pair(), 0.95) == pytest.approx(1 - 2 / 11)
    assert saved(numbers(0.7), numbers(2), pair(), 1.0) == 0, "the strong model may always be asked"


def test_where_the_strong_model_is_no_better_there_is_no_gap_to_recover() -> None:
    level = pair(strong=(WEAK, 11.0))
    quality, calls = numbers(0.6, 0.6), numbers(0, 1)
    assert np.isnan(apgr_by_calls(quality, calls, level))
    assert np.isnan(cpt_by_calls(quality, calls, level, 0.5))
    assert np.isnan(area(quality, calls, pair(strong=(STRONG, 1.0))))


qualities = st.lists(st.floats(0, 1), min_size=1, max_size=8)


@given(qualities, st.data())
def test_a_further_setting_never_makes_a_curve_worse(quality: list[float], data: st.DataObject) -> None:
    cost = data.draw(st.lists(st.floats(0.1, 20), min_size=len(quality), max_size=len(quality)))
    extra = data.draw(st.tuples(st.floats(0, 1), st.floats(0.1, 20)))
    few = np.array(quality), np.array(cost)
    more = np.array([*quality, extra[0]]), np.array([*cost, extra[1]])
    assert area(*more, pair()) >= area(*few, pair()) - 1e-12
    assert saved(*more, pair(), 0.95) >= saved(*few, pair(), 0.95)
    assert WEAK - 1e-12 <= area(*few, pair()) <= max(WEAK, *quality) + 1e-12
    assert saved(*few, pair(), 1.0) <= saved(*few, pair(), 0.95), "less quality never costs more"


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8), st.integers(2, 5))
def test_repeats_are_measured_one_by_one(quality: list[float], times: int) -> None:
    calls = np.linspace(0, 1, len(quality))
    repeated = np.stack([np.array(quality) * (1 + n) / (times + 1) for n in range(times)])
    ends = Pair(*(np.full(times, value) for value in (WEAK, 1.0, STRONG, 11.0)))
    together = apgr_by_calls(repeated, np.broadcast_to(calls, repeated.shape), ends)
    assert together == pytest.approx([float(apgr_by_calls(row, calls, pair())) for row in repeated])
