"""Methods on outcomes whose right choice is known."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from learning.cascades import AgreementCascade, LearnedCascade, cost_of, quality_of, shares_of, simulate
from learning.compare.answers import (
    Cascade,
    agreement_cascade,
    ask_by_policy,
    best_cascades,
    cascades_of,
    vote,
    voters_in,
)
from learning.compare.bootstrap import interval, resamples
from learning.compare.methods import Trial, oracle, simple_methods
from learning.compare.reliability import calibration_error, reliability
from learning.compare.sweep import by_threshold, thresholds
from learning.compare.table import Table, folds, halves_by_hash, models_with_costs, random_halves, table_of
from learning.outcomes import Outcome
from learning.policies import train_policy
from mirepoix.errors import InputError
from tests.learning.compare.made import made
from tests.learning.known_cascades import outcomes_where_cheap_models_err_apart

MODELS = ("small", "other", "large")


def table(count: int = 200, seed: int = 1) -> Table:
    return table_of("made", made(count, seed), MODELS)


@pytest.mark.parametrize("agreement", [2, 3])
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0), (1,)])
def test_a_cascade_on_arrays_is_the_cascade_that_runs(order: tuple[int, ...], agreement: int) -> None:
    asked = table()
    fast = agreement_cascade(asked, Cascade(order, agreement))
    played = simulate(AgreementCascade(tuple(MODELS[model] for model in order), agreement), asked.outcomes)
    assert fast.quality[:, 0].tolist() == [one.quality for one in played]
    assert fast.cost.mean() == pytest.approx(cost_of(played))
    shares = shares_of(played)
    assert fast.asked[:, 0] == pytest.approx([shares.get(model, 0.0) for model in MODELS])


def test_cascade_routing_on_arrays_is_the_policy_that_runs() -> None:
    learn, asked = table(120), table(80, seed=2)
    policy = train_policy(learn.outcomes, MODELS)
    ways = [policy.promise.ways[index] for index in (2, 12, 20, 30, 45, 60, -1)]
    fast = ask_by_policy(policy, asked, ways)
    for column, way in enumerate(ways):
        played = simulate(LearnedCascade(policy, way), asked.outcomes)
        shares = shares_of(played)
        assert fast.quality[:, column].mean() == pytest.approx(quality_of(played))
        assert fast.cost[:, column].mean() == pytest.approx(cost_of(played))
        assert fast.asked[:, column] == pytest.approx([shares.get(model, 0.0) for model in MODELS])


def test_the_best_cascade_is_the_one_that_tune_finds() -> None:
    outcomes = outcomes_where_cheap_models_err_apart(200, seed=3)
    asked = table_of("made", outcomes, ("one", "two", "strong"))
    best = best_cascades(asked, cascades_of(asked, voters_in(asked)), (0.98,))
    chosen = best.chosen[0.98]
    assert (set(chosen.order[:2]), chosen.order[2:], chosen.agreement) == ({0, 1}, (2,), 2)
    assert len(best.frontier) >= 2


def test_two_of_three_outvote_the_first_and_silence_has_no_vote() -> None:
    said = [{"small": "a", "other": "b", "large": "b"}, {"small": "", "other": "", "large": "c"}, {"small": "a"}]
    right = {"small": 0.0, "other": 1.0, "large": 1.0}
    asked = table_of(
        "made",
        [Outcome(str(n), "q", right, pred=pred, cost=dict.fromkeys(MODELS, Decimal(1))) for n, pred in enumerate(said)],
        MODELS,
    )
    assert vote(asked, (0, 1, 2)).quality[:, 0].tolist() == [1.0, 1.0, 0.0]


def test_the_oracle_is_right_where_any_model_is_and_no_dearer_than_it_must_be() -> None:
    trial = Trial(table(), table(seed=2), 1)
    best = oracle(trial).sweep
    assert best.quality.mean(axis=0).max() == pytest.approx(trial.test.score.max(axis=1).mean())
    assert best.cost.mean(axis=0).min() == pytest.approx(trial.test.cost.min(axis=1).mean())


def test_thresholds_go_from_none_to_all_and_ask_more_and_more() -> None:
    asked = table()
    scores = np.random.default_rng(1).random(len(asked))
    swept = by_threshold(asked, scores, thresholds(scores), (0, 2))
    assert swept.calls is not None
    shares = swept.calls.mean(axis=0)
    assert shares[0] == 0
    assert shares[-1] == 1
    assert (np.diff(shares) >= 0).all()
    assert swept.asked[0] == pytest.approx(1 - shares)


def test_a_setting_is_chosen_by_what_it_did_on_the_training_half_alone() -> None:
    trial = Trial(table(), table(seed=2), 1)
    mixed = next(one for one in simple_methods(trial) if one.method == "random mix")
    turned = Trial(trial.train, table(seed=3), 1)
    again = next(one for one in simple_methods(turned) if one.method == "random mix")
    assert {t: s.asked.tolist() for t, s in mixed.chosen.items()} == {
        t: s.asked.tolist() for t, s in again.chosen.items()
    }


def test_each_question_is_in_one_half_and_in_one_fold() -> None:
    asked = table()
    for learn, report in (halves_by_hash(asked), *random_halves(len(asked), 3, 1)):
        assert sorted([*learn, *report]) == list(range(len(asked)))
        assert abs(len(learn) - len(report)) < 50
    held_out = [row for _, rows in folds(len(asked), 3, 1) for row in rows]
    assert sorted(held_out) == list(range(len(asked)))


def test_an_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    held = 0
    for seed in range(200):
        sample = random.random(100) < 0.7
        _, low, high = interval(resamples(100, 300, seed) @ sample.astype(float))
        assert low is not None
        assert high is not None
        held += low <= 0.7 <= high
    assert 175 <= held <= 200


def test_chances_that_are_true_have_a_small_error_and_those_that_boast_a_large_one() -> None:
    random = np.random.default_rng(1)
    chances = random.random(5_000)
    right = (random.random(5_000) < chances).astype(float)
    assert calibration_error(reliability(chances, right)) < 0.03
    assert calibration_error(reliability(np.full(5_000, 0.99), right)) == pytest.approx(0.49, abs=0.03)


def test_models_that_were_asked_too_little_are_left_out_and_one_alone_is_refused() -> None:
    outcomes = made(50, 1)
    small_and_other = [{m: s for m, s in one.score.items() if m != "large"} for one in outcomes]
    rare = [
        Outcome(one.id, one.question, one.score if n < 5 else scores, cost=one.cost)
        for n, (one, scores) in enumerate(zip(outcomes, small_and_other, strict=True))
    ]
    assert models_with_costs("made", rare) == ("small", "other")
    free = [Outcome(one.id, one.question, one.score, cost={"small": Decimal(1)}) for one in outcomes]
    with pytest.raises(InputError, match=r"made: there is nothing to choose.*small.*of other, large: give --prices"):
        models_with_costs("made", free)
