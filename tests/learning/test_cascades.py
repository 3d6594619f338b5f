"""Cascades played on outcomes, policies learned from them, and the choice between the two: what is known to be best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from learning.cascades import (
    AgreementCascade,
    LearnedCascade,
    best_single,
    cost_of,
    groups_in,
    quality_of,
    shares_of,
    simulate,
    single,
)
from learning.outcomes import Outcome
from learning.policies import train_policy
from learning.tune import Tuning, simplest_safe, tune
from mirepoix.errors import InputError
from mirepoix.spec import SameAs
from pipelines.learned.advice import Heard
from pipelines.learned.answer_policy import MAGIC, AnswerPolicy
from pipelines.learned.ways import InOrder, Priced
from tests.learning.known_cascades import COST, made, outcomes_where_cheap_models_err_apart

FREELY = Priced(0.0)
KNOWN_APART = outcomes_where_cheap_models_err_apart(400, seed=2)


@pytest.fixture(scope="module")
def learned() -> AnswerPolicy:
    return train_policy(outcomes_where_cheap_models_err_apart(200), ("one", "two", "strong"))


@pytest.mark.parametrize(
    ("pred", "asked", "stands"),
    [
        ({"one": "yes", "two": "Yes.", "strong": "no"}, ("one", "two"), "two"),
        ({"one": "a", "two": "b", "strong": "a"}, ("one", "two", "strong"), "strong"),
        ({"one": "", "two": "", "strong": "yes"}, ("one", "two", "strong"), "strong"),
    ],
)
def test_an_agreement_cascade_stops_where_two_agree_and_trusts_the_last_else(
    pred: dict[str, str], asked: Sequence[str], stands: str
) -> None:
    (result,) = simulate(AgreementCascade(("one", "two", "strong")), [made(pred)])
    assert (result.asked, result.stands) == (tuple(asked), stands)
    assert result.cost == sum(COST[model] for model in asked)


def test_models_asked_together_cost_all_of_them_and_any_of_them_may_agree() -> None:
    pred = {"one": "yes", "two": "yes", "strong": "no"}
    (result,) = simulate(AgreementCascade(("one", "two", "strong"), together=3), [made(pred)])
    assert (result.quality, result.stands, result.cost) == (1.0, "two", 22.0)


def test_agreement_is_in_the_sense_that_is_asked_for() -> None:
    outcome = made({"one": "42.0", "two": "It is 42", "strong": "41"})
    assert groups_in(outcome, ("one", "two", "strong")) == [0, 1, 2]
    assert groups_in(outcome, ("one", "two", "strong"), SameAs.model_validate({"numbers": {"relative": 0}})) == [
        0,
        0,
        1,
    ]


def test_a_model_whose_score_or_cost_was_not_recorded_is_named() -> None:
    bare = Outcome("q7", "Which?", {"one": 1.0}, pred={"one": "yes"})
    with pytest.raises(InputError, match=r"'q7' has no cost of 'one'"):
        simulate(AgreementCascade(("one",)), [bare])


def test_a_policy_learns_to_ask_the_dear_model_only_where_the_cheap_ones_disagree(learned: AnswerPolicy) -> None:
    unseen = outcomes_where_cheap_models_err_apart(200, seed=1)
    way = learned.promise.ways[learned.promise.way_for(0.99)]
    results, strong = simulate(LearnedCascade(learned, way), unseen), single("strong", unseen)
    assert best_single(learned.models, unseen) == "strong"
    assert quality_of(results) >= 0.99 * quality_of(strong)
    assert cost_of(results) < 0.5 * cost_of(strong)
    assert shares_of(results)["strong"] == pytest.approx(0.3, abs=0.1)


def test_the_chance_rises_with_agreement_and_falls_with_dissent(learned: AnswerPolicy) -> None:
    question = "Please prove, add, count the integral."  # tells nothing: half of it is easy, half hard
    alone = learned.advise(question, {"one": Heard(0, 3)}, FREELY)
    both = learned.advise(question, {"one": Heard(0, 3), "two": Heard(0, 3)}, FREELY)
    apart = learned.advise(question, {"one": Heard(0, 3), "two": Heard(1, 3)}, FREELY)
    assert both.chance > alone.chance > apart.chance
    assert both.gains["strong",] < apart.gains["strong",]


def test_a_policy_asks_only_whom_it_may_and_stops_when_nobody_is_left(learned: AnswerPolicy) -> None:
    nothing = learned.advise("Which?", {"one": Heard(-1, 0)}, Priced(1e9), ["two"])
    assert (nothing.ask, nothing.stands) == ("two", None)
    silent = {model: Heard(-1, 0) for model in learned.models}
    for way in (FREELY, Priced(0.0, once=True), InOrder((0, 1, 2))):
        advice = learned.advise("Which?", silent, way)
        assert (advice.ask, advice.stands) == (None, None)


def test_a_fixed_order_is_asked_until_some_agree_and_else_its_last_one_stands(learned: AnswerPolicy) -> None:
    way = InOrder((0, 1, 2))
    assert learned.advise("Which?", {}, way).ask == "one"
    agreed = learned.advise("Which?", {"one": Heard(0, 3), "two": Heard(0, 3)}, way)
    assert (agreed.ask, agreed.stands) == (None, "two")
    apart = {"one": Heard(0, 3), "two": Heard(1, 3)}
    assert learned.advise("Which?", apart, way).ask == "strong"
    assert learned.advise("Which?", {**apart, "strong": Heard(2, 3)}, way).stands == "strong"
    assert learned.advise("Which?", {"one": Heard(-1, 0)}, InOrder((0,))).ask == "two", "nobody answered: any will do"


def test_routing_asks_one_model_by_the_question_and_another_only_where_that_is_silent(learned: AnswerPolicy) -> None:
    cheap, dear = (Priced(price, once=True) for price in (10.0, 0.0))
    assert learned.advise("Please prove.", {}, cheap).ask in ("one", "two")
    assert learned.advise("Please prove integral prove.", {}, dear).ask == "strong"
    assert learned.advise("Which?", {"one": Heard(0, 3)}, dear).stands == "one"
    assert learned.advise("Which?", {"one": Heard(-1, 0)}, dear).ask in ("two", "strong")


def test_a_policy_promises_no_less_at_no_more_cost_than_each_plain_way_in_it(learned: AnswerPolicy) -> None:
    promise = learned.promise
    strong = promise.ways.index(InOrder((2,)))
    assert promise.safe[strong] == 1.0
    for target in (0.9, 0.98, 1.0):
        chosen = promise.way_for(target)
        able = [promise.cost[index] for index, safe in enumerate(promise.safe) if safe >= target]
        assert promise.safe[chosen] >= target
        assert promise.cost[chosen] == min(able) <= promise.cost[strong]


def test_a_fixed_order_is_not_chosen_where_not_all_of_its_models_may_be_asked(learned: AnswerPolicy) -> None:
    for target in (0.9, 0.99, 1.5):
        way = learned.promise.ways[learned.promise.way_for(target, [0, 2])]
        assert isinstance(way, Priced) or {*way.order} <= {0, 2}


def test_of_ways_that_cost_about_the_same_the_simplest_is_chosen() -> None:
    safe, cost = np.array([0.9, 0.99, 0.995, 1.0]), np.array([0.1, 1.02, 1.0, 3.0])
    assert simplest_safe(safe, cost, 0.05, 0.98) == 1, "as far as the error of the cheapest one's cost tells"
    assert simplest_safe(safe, cost, 0.01, 0.98) == 2
    assert simplest_safe(safe, cost, 0.05, 1.2) == 3, "the safest"


def test_a_policy_is_the_same_after_its_bytes_and_trained_again_the_same(learned: AnswerPolicy) -> None:
    again = AnswerPolicy.from_bytes(learned.to_bytes())
    assert (
        again.hash
        == learned.hash
        == train_policy(outcomes_where_cheap_models_err_apart(200), ("one", "two", "strong")).hash
    )
    heard = {"one": Heard(0, 3), "two": Heard(1, 3)}
    assert again.advise("Please prove.", heard, Priced(0.01)) == learned.advise("Please prove.", heard, Priced(0.01))


@pytest.mark.parametrize("cut", [0, len(MAGIC) + 2, 200, -1])
def test_a_file_that_is_cut_short_is_no_policy(learned: AnswerPolicy, cut: int) -> None:
    with pytest.raises(InputError):
        AnswerPolicy.from_bytes(learned.to_bytes()[:cut])


def test_a_file_with_numbers_that_are_none_is_no_policy(learned: AnswerPolicy) -> None:
    data = bytearray(learned.to_bytes())
    start = data.index(b"]}", len(MAGIC)) + 2
    data[start : start + 8] = b"\xff" * 8
    with pytest.raises(InputError, match="numbers that are none"):
        AnswerPolicy.from_bytes(bytes(data))


@pytest.fixture(scope="module")
def tuned() -> Tuning:
    return tune(KNOWN_APART, 0.98)


def test_tuning_finds_the_cheap_models_before_the_dear_one(tuned: Tuning) -> None:
    cascade = next(choice.cascade for choice in tuned.choices if choice.cascade)
    assert (set(cascade.order[:2]), cascade.order[2:], cascade.agreement) == ({"one", "two"}, ("strong",), 2)
    assert tuned.reached
    assert tuned.reference == "strong"


def test_tuning_measures_on_the_other_half_within_its_intervals(tuned: Tuning) -> None:
    assert tuned.chosen_from == tuned.measured_on == 200
    saved, quality = tuned.chosen.held_out.saved, tuned.chosen.held_out.quality
    assert 0.4 < saved.low < saved.mean < saved.high < 0.9
    assert quality.low < quality.mean < quality.high
    assert quality.mean >= 0.97


def test_the_best_single_model_alone_can_always_be_promised_whole() -> None:
    apart = [made({"one": f"wrong {n}", "two": f"wrong {-n}", "strong": "yes"}) for n in range(1, 121)]
    found = tune(apart, 1.0)
    assert (found.chosen.way, found.chosen.safe, found.reached) == ("strong alone", 1.0, True)
    assert (found.better, found.verdict.startswith("no cheaper, for sure, than strong alone")) == (False, True)


def test_cascades_ask_the_cheapest_first() -> None:
    upside_down = [
        replace(one, cost={"one": Decimal(20), "two": Decimal(30), "strong": Decimal(40)}) for one in KNOWN_APART
    ]
    found = tune(upside_down, 0.9)
    orders = [choice.models for choice in found.choices if choice.cascade]
    assert all(list(order) == sorted(order, key=["one", "two", "strong"].index) for order in orders)


def test_a_policy_that_is_no_better_than_the_current_one_is_not_called_better(tuned: Tuning) -> None:
    assert tuned.learned.policy is not None
    assert tuned.better
    assert "the cheapest way that can promise 0.98" in tuned.verdict
    again = tune(KNOWN_APART, 0.98, current=tuned.learned.policy)
    assert not again.better
    assert "not better than the current policy" in again.verdict


def test_too_few_outcomes_are_not_tuned() -> None:
    with pytest.raises(InputError, match="too few"):
        tune(outcomes_where_cheap_models_err_apart(30), 0.98)
