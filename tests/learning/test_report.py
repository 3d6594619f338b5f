"""A router is measured on what it did not learn, beside what there is, and what is told of it is true."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from learning.known import models_known, split, train_on_known
from learning.outcomes import Outcome
from learning.report import area_of, measure
from learning.train import FEWEST
from learning.version import train_version, unseen
from mirepoix.errors import InputError
from pipelines.learned.model import LearnedRouter
from tests.learning.traffic import outcomes

MODELS = ("cheap", "dear")


PARTS = split(outcomes(400), MODELS)


@pytest.fixture(scope="module")
def strong() -> LearnedRouter:
    """A router that knows what there is to know."""
    return train_on_known(PARTS.learn, MODELS)


@pytest.fixture(scope="module")
def weak() -> LearnedRouter:
    """One that has learned the wrong thing."""
    return train_on_known(outcomes(100, first=5000, flipped=True), MODELS)


def test_a_router_that_has_learned_something_saves_money_at_the_quality_asked_for(strong: LearnedRouter) -> None:
    good = measure(strong, PARTS.measure, None, 0.95)
    assert good.better
    assert good.gain.low > 0
    assert good.best_single == "dear"
    assert good.router.cost.value < 0.85 * good.single.cost.value
    assert good.router.quality.value > 0.95 * good.single.quality.value
    assert good.router.quality.low <= good.router.quality.value <= good.router.quality.high
    assert good.single.shares == {"cheap": 0.0, "dear": 1.0}
    assert "better than choosing without looking at the question, for sure" in good.verdict
    assert json.loads(json.dumps(good.as_json()))["better"] is True


def test_one_that_has_learned_the_wrong_thing_is_worse_than_not_looking(weak: LearnedRouter) -> None:
    report = measure(weak, PARTS.measure, None, 0.98)
    assert not report.better
    assert "not better than choosing without looking" in report.verdict


def test_it_is_compared_with_the_current_one_in_pairs(strong: LearnedRouter, weak: LearnedRouter) -> None:
    ahead, behind = (measure(a, PARTS.measure, b, 0.98) for a, b in ((strong, weak), (weak, strong)))
    assert ahead.better
    assert not behind.better
    assert ahead.gain.value == pytest.approx(-behind.gain.value)
    assert ahead.current == behind.router, "the same router on the same questions"
    itself = measure(strong, PARTS.measure, strong, 0.98)
    assert (itself.better, itself.gain.low, itself.gain.high) == (False, 0.0, 0.0)


def test_a_current_router_of_other_models_is_measured_as_far_as_it_goes(strong: LearnedRouter) -> None:
    for known, shares in ({"cheap", "gone"}, {"cheap": 1.0, "dear": 0.0}), ({"gone"}, None):
        other = train_on_known([replace(one, score=dict.fromkeys(known, 0.5)) for one in outcomes(40)], sorted(known))
        report = measure(strong, PARTS.measure, other, 0.98)
        assert (report.current and report.current.shares) == shares


def test_a_hull_is_drawn_over_what_mixing_two_ways_can_reach() -> None:
    """Between (1, 0.2) and (3, 0.6) lies (2, 0.4), above what was measured there; behind the best it is flat."""
    costs, quality = np.array([3.0, 1.0, 2.0, 4.0]), np.array([0.6, 0.2, 0.3, 0.5])
    assert area_of(costs, quality, low=1.0, high=5.0) == pytest.approx((0.8 + 1.2) / 4)
    assert area_of(costs[:1], quality[:1], low=1.0, high=5.0) == pytest.approx(1.2 / 4), "nothing is had for less"
    assert area_of(costs, quality, low=2.0, high=2.0) == 0.6


def test_what_is_kept_back_is_the_same_whatever_else_is_known() -> None:
    few, many = split(outcomes(200), MODELS), split(outcomes(400), MODELS)
    assert {one.id for one in few.measure} == {one.id for one in many.measure if int(one.id) < 200}
    assert not {one.id for one in many.measure} & {one.id for one in many.learn}
    assert 0.2 < len(many.measure) / 400 < 0.4


def test_what_is_not_known_of_a_model_is_made_up_for_by_what_is() -> None:
    part = [replace(one, score={MODELS[n % 2]: one.score[MODELS[n % 2]]}) for n, one in enumerate(PARTS.learn)]
    report = measure(train_on_known(part, MODELS), PARTS.measure, None, 0.98)
    assert report.gain.low > 0, "each question was asked of one model only"


def test_too_little_to_learn_or_to_measure_is_said() -> None:
    with pytest.raises(InputError, match="outcomes of 'cheap' are left to learn from"):
        split(outcomes(FEWEST), MODELS)
    with pytest.raises(InputError, match="0 outcomes of 'nobody'"):
        split(outcomes(400), ("cheap", "nobody"))
    half = [replace(one, score={MODELS[n % 2]: 1.0}) for n, one in enumerate(outcomes(400))]
    with pytest.raises(InputError, match=r"0 of \d+ questions kept back tell score and cost of each of cheap, dear"):
        split(half, MODELS)
    unpriced = [replace(one, cost={"cheap": one.cost["cheap"]}) for one in outcomes(400)]
    with pytest.raises(InputError, match=r"no cost is known of dear; .*`price` in mirepoix\.yaml"):
        split(unpriced, MODELS)


def test_models_with_enough_outcomes_are_known() -> None:
    some = [*outcomes(FEWEST), Outcome("x", "x?", {"dear": 1.0, "seldom": 1.0}), Outcome("y", "y?", {})]
    assert models_known(some) == ("dear", "cheap")
    assert models_known([]) == ()


def test_a_version_tells_what_it_has_seen() -> None:
    known = outcomes(300)
    trained = train_version(known, MODELS, None, target_quality=0.98, seed=1)
    fresh = unseen(trained.report, [*known, *outcomes(10, first=1000)])
    assert len(fresh) == 310 - trained.report["learned_from"]
    assert trained.report["compared_with"] is None
    again = train_version(known, MODELS, trained.router, target_quality=0.98, seed=1)
    assert (again.router.hash, again.report["better"]) == (trained.router.hash, False)
    assert again.report["compared_with"] == trained.router.hash
    json.dumps(again.report)
