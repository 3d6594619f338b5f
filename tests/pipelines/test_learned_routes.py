"""A route by a trained router: which branch serves which aim, and what route, branch and house must have for it."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from learning.train import train_router
from mirepoix.errors import PipelineError
from mirepoix.paths import root
from mirepoix.spec import Route, dump, parse
from pipelines.learned.model import LearnedRouter
from pipelines.learned.policy import Aim, HeldOut, Tariff, choose_model, price_of_quality
from pipelines.routers import Choice, Query, check_route, choose_branch
from pipelines.routers.explain import explain_routes
from tests.learning.invented import MODELS, invent
from tests.pipelines.test_routes import call, config

HOUSE: dict[str, Any] = {
    "providers": {"far": {"api": "openai"}},
    "models": {
        "mini": {"provider": "far", "price": {"input": 0.1, "output": 0.4}, "max_tokens": 500},
        "large": {"provider": "far", "price": {"input": 2, "output": 8}, "max_tokens": 500, "context_window": 2000},
        "unpriced": {"provider": "far"},
    },
}
SUM = "Please tell me: add divide total remainder apples minutes?"
CAPITAL = "Please tell me: capital city country river border flag?"
BOTH = (call("mini"), call("large"))


@pytest.fixture(scope="module")
def router() -> LearnedRouter:
    """It knows that sums are for the large model, and capitals as well for the small one."""
    return train_router(invent(600, seed=1), MODELS)


def learned(*to: dict[str, Any], **options: object) -> Route:
    """A route that asks the router `school`."""
    built = parse({"route": {"by": "learned", "router": "school", "to": list(to), **options}})
    assert isinstance(built, Route)
    return built


def chosen(node: Route, text: str, router: LearnedRouter) -> Choice:
    """What the route makes of `text`."""
    return choose_branch(root(node), Query(text, config(**HOUSE)), routers={"school": router})


@pytest.mark.parametrize(
    ("aim", "of_sum", "of_capital"),
    [
        ({"target_quality": 0.95}, 1, 0),
        ({"quality_per_usd": 50}, 1, 0),
        ({"quality_per_usd": 0}, 1, None),
        ({"quality_per_usd": 1e6}, 0, 0),
        ({"max_cost_per_call": 0.001}, 0, 0),
        ({"max_cost_per_call": 1e-9}, 0, 0),
        ({"max_cost_per_call": 1.0}, 1, None),
    ],
)
def test_each_aim_takes_the_branch_that_serves_it(
    router: LearnedRouter, aim: dict[str, float], of_sum: int, of_capital: int | None
) -> None:
    assert chosen(learned(*BOTH, **aim), SUM, router).index == of_sum
    if of_capital is not None:
        assert chosen(learned(*BOTH, **aim), CAPITAL, router).index == of_capital


def test_the_decision_says_what_was_looked_at_and_by_which_version(router: LearnedRouter) -> None:
    decision = chosen(learned(*BOTH, target_quality=0.95), SUM, router).decision
    assert decision.trained == router.hash == decision.features["hash"]
    assert decision.features["router"] == "school"
    assert decision.features["aim"] == {"target_quality": 0.95}
    assert decision.features["chances"] == {model: round(chance, 4) for model, chance in router.predict(SUM).items()}
    assert float(decision.features["costs"]["large"]) > float(decision.features["costs"]["mini"]) > 0
    assert "'large' is right with a chance of" in decision.reason
    assert "apples" not in decision.model_dump_json()


def test_a_branch_costs_what_its_answer_is_expected_to_and_its_other_calls_all_they_may() -> None:
    told = [replace(one, out_tokens={"mini": 30.0, "large": 300.0}) for one in invent(100, seed=1)]
    measured = train_router(told, MODELS)
    checked = {"chain": [call("large"), call("mini")]}
    to = (call("mini"), checked)
    (expected, bound) = (
        {
            model: float(usd)
            for model, usd in chosen(learned(*to, **aim), SUM, measured).decision.features["costs"].items()
        }
        for aim in ({"quality_per_usd": 50}, {"max_cost_per_call": 1})
    )
    assert bound["mini"] - expected["mini"] == pytest.approx(0.4 * (500 - 30) / 1e6)
    assert bound["large"] - expected["large"] == pytest.approx(8 * (500 - 300) / 1e6)
    assert bound["mini"] == pytest.approx(0.4 * 500 / 1e6, rel=0.05)


def test_a_branch_is_known_by_its_first_call_or_by_the_name_it_gives(router: LearnedRouter) -> None:
    checked = {"chain": [call("large"), call("mini")]}
    assert chosen(learned(call("mini"), checked, target_quality=0.95), SUM, router).index == 1
    renamed = ({"model": "large", **call("mini")}, {"model": "mini", **call("large")})
    assert chosen(learned(*renamed, target_quality=0.95), SUM, router).index == 0
    of_two_the_cheaper = (checked, *BOTH)
    assert chosen(learned(*of_two_the_cheaper, target_quality=0.95), SUM, router).index == 2


def test_what_is_ruled_out_is_not_weighed(router: LearnedRouter) -> None:
    node = learned(*BOTH, target_quality=1.0)
    choice = chosen(node, f"{SUM} {'apples ' * 3000}", router)
    assert choice.index == 0
    assert "ruled out: to.1 (context)" in choice.decision.reason
    assert set(choice.decision.features["chances"]) == {"mini"}


def test_a_route_is_explained_as_it_would_decide(router: LearnedRouter) -> None:
    (said,) = explain_routes(learned(*BOTH, target_quality=0.95), Query(SUM, config(**HOUSE)), {}, {"school": router})
    assert (said["choice"], said["by"], said["trained"]) == ("to.1", "learned", router.hash)


@pytest.mark.parametrize(
    ("to", "problem"),
    [
        ((call("mini"), call("unpriced")), "'unpriced' of branch 1 in the router 'school'.*Known: large, mini"),
        ((call("mini"), {"model": "large", **call("unpriced")}), "branch 1: its cost is not known; give its models"),
    ],
)
def test_what_cannot_be_weighed_is_an_error(
    router: LearnedRouter, to: tuple[dict[str, Any], ...], problem: str
) -> None:
    with pytest.raises(PipelineError, match=problem):
        chosen(learned(*to, target_quality=0.95), SUM, router)


def test_a_router_that_is_not_at_hand_is_an_error_that_says_what_makes_one() -> None:
    with pytest.raises(PipelineError, match="'school' is not at hand; `mirepoix train school` makes one"):
        choose_branch(root(learned(*BOTH, target_quality=0.95)), Query(SUM, config(**HOUSE)))


def test_where_numpy_is_missing_the_check_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    node = learned(*BOTH, target_quality=0.95)
    check_route(node)
    monkeypatch.setitem(sys.modules, "numpy", None)
    monkeypatch.setattr("pipelines.routers.learned.find_spec", lambda name: None)
    with pytest.raises(PipelineError, match=r"pip install 'mirepoix\[learned\]'"):
        check_route(node)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"target_quality": 0.9, "router": None}, "names its 'router'"),
        ({}, "exactly one of target_quality, quality_per_usd, max_cost_per_call; this one has 0"),
        ({"target_quality": 0.9, "max_cost_per_call": 1}, "this one has 2"),
        ({"target_quality": 1.1}, "less than or equal to 1"),
        ({"max_cost_per_call": 0}, "greater than 0"),
        ({"quality_per_usd": float("inf")}, "finite"),
        ({"by": "first", "target_quality": 0.9}, "'router' belongs to a route by learned"),
        ({"by": "first", "router": None, "target_quality": 0.9}, "'target_quality' belongs to a route by learned"),
        ({"target_quality": 0.9, "to": [{"task": "code", **call("mini")}]}, "asks for 'model', not 'task'"),
        ({"by": "first", "router": None, "to": [{"model": "x", **call("mini")}]}, "does not look at 'model'"),
    ],
)
def test_a_route_that_makes_no_sense_is_refused(options: dict[str, Any], problem: str) -> None:
    route = {"by": "learned", "router": "school", "to": list(BOTH), **options}
    with pytest.raises(ValidationError, match=problem):
        parse({"route": {key: value for key, value in route.items() if value is not None}})


def test_a_route_is_written_as_it_was_read() -> None:
    node = learned({"model": "gpt", **call("mini")}, call("large"), target_quality=0.98)
    assert parse(dump(node)) == node


def test_the_price_of_quality_rises_as_less_of_it_is_asked_for_and_heeds_costs() -> None:
    source = np.random.default_rng(1)
    gain = source.uniform(-0.1, 0.6, 2000)
    chances = np.column_stack([np.full(2000, 0.4), 0.4 + gain])
    scores = (source.uniform(size=(2000, 2)) < chances).astype(float)
    held_out = HeldOut(MODELS, chances, scores, np.full(2000, 100.0), np.zeros((2000, 2)))
    cost = {"mini": Tariff(0.001), "large": Tariff(0.02)}
    prices = [price_of_quality(target, cost, held_out) for target in (1.0, 0.98, 0.9, 0.7)]
    assert prices == sorted(prices)
    assert prices[0] < prices[-1]
    ten_times = {"mini": Tariff(0.01), "large": Tariff(0.2)}
    assert price_of_quality(0.9, ten_times, held_out) == pytest.approx(prices[2] / 10)
    by_tokens = {"mini": Tariff(0.0, 0.00001), "large": Tariff(0.0, 0.0002)}
    assert price_of_quality(0.9, by_tokens, held_out) == pytest.approx(prices[2])
    assert price_of_quality(0.9, {"mini": Tariff(0.0), "large": Tariff(0.0)}, held_out) == 0
    swapped = {"mini": Tariff(0.02), "large": Tariff(0.001)}
    asked = choose_model(
        {"mini": 0.4, "large": 0.5}, {"mini": 0.02, "large": 0.001}, Aim(target_quality=0.9), swapped, held_out
    )
    assert asked.model == "large"


def test_an_aim_is_one_thing() -> None:
    for given in ({}, {"target_quality": 0.9, "quality_per_usd": 1.0}):
        with pytest.raises(PipelineError, match="exactly one"):
            Aim(**given)
