"""A router finds the structure that outcomes have, and keeps what it promises on questions that it has not seen."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from statistics import fmean, median

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from learning.outcomes import Outcome
from learning.ridge import fit_ridge
from learning.tariffs import tariffs_of
from learning.train import train_router
from mirepoix.errors import InputError
from pipelines.learned.model import LARGEST, LearnedRouter
from pipelines.learned.policy import Aim, Tariff, choose_model
from pipelines.routers.query import estimate
from tests.learning.invented import CHANCES, MODELS, invent, kind_of

COST = {"mini": 0.001, "large": 0.02}
TARIFFS = {model: Tariff(usd) for model, usd in COST.items()}


@pytest.fixture(scope="module")
def router() -> LearnedRouter:
    """Trained on 1,200 questions."""
    return train_router(invent(1200, seed=1), MODELS)


@pytest.fixture(scope="module")
def unseen() -> list[Outcome]:
    """Questions that no router has learned from."""
    return invent(1000, seed=2)


def test_it_recovers_the_chance_of_each_model_at_each_kind_of_question(
    router: LearnedRouter, unseen: list[Outcome]
) -> None:
    for kind, known in CHANCES.items():
        predicted = [router.predict(outcome.question) for outcome in unseen if kind_of(outcome) == kind]
        for model, chance in zip(MODELS, known, strict=True):
            assert fmean(said[model] for said in predicted) == pytest.approx(chance, abs=0.06), (kind, model)


def test_it_does_so_where_nobody_says_what_the_tasks_are(unseen: list[Outcome]) -> None:
    untold = train_router(invent(1200, seed=1, tasks=False), MODELS)
    gain = {kind: [said["large"] - said["mini"] for said in _of(untold, kind, unseen)] for kind in CHANCES}
    assert min(gain["sums"]) > max(*gain["capitals"], *gain["rhymes"])


def test_chances_are_calibrated_on_questions_it_has_not_seen(router: LearnedRouter, unseen: list[Outcome]) -> None:
    for model in MODELS:
        pairs = sorted((router.predict(outcome.question)[model], outcome.score[model]) for outcome in unseen)
        bins = [pairs[start : start + 200] for start in range(0, len(pairs), 200)]
        errors = [abs(fmean(said for said, _ in one) - fmean(was for _, was in one)) for one in bins]
        assert fmean(errors) < 0.05, (model, errors)


@pytest.mark.parametrize("target", [0.9, 0.98, 1.0])
def test_a_promised_quality_is_kept_on_unseen_questions_and_saves_cost(
    router: LearnedRouter, unseen: list[Outcome], target: float
) -> None:
    asked = [
        choose_model(router.predict(outcome.question), COST, Aim(target_quality=target), TARIFFS, router.held_out).model
        for outcome in unseen
    ]
    quality = fmean(outcome.score[model] for outcome, model in zip(unseen, asked, strict=True))
    best = fmean(outcome.score["large"] for outcome in unseen)
    assert quality >= target * best - 0.01
    assert fmean(COST[model] for model in asked) < 0.9 * COST["large"]


def test_the_same_outcomes_give_the_same_bytes_and_those_the_same_router(router: LearnedRouter) -> None:
    few = invent(60, seed=1)
    read = LearnedRouter.from_bytes(router.to_bytes())
    question = "What is the capital of the country with the largest river?"
    assert read.hash == router.hash
    assert read.predict(question) == pytest.approx(router.predict(question))
    assert train_router(few, MODELS).hash == train_router(few, MODELS).hash != train_router(few, MODELS, seed=2).hash


def test_a_file_that_lies_is_refused(router: LearnedRouter) -> None:
    good = router.to_bytes()
    header = b'{"models": ["mini", "large"], "tasks": 3, "held_out": 1200}'
    assert header in good
    for bad in (
        b"",
        b"\x80\x04\x95 a pickle",
        good[: len(good) // 2],
        good + b"more",
        good.replace(b"router 2", b"router 1", 1),
        good.replace(header, header.replace(b"1200", b"1201")),
        good.replace(header, header.replace(b"1200", b"-120")),
        good.replace(header, header.replace(b'"tasks": 3', b'"tasks":30')),
        good.replace(header, header.replace(b'"large"', b'"mini" ')),
        good.replace(header, header.replace(b'"mini"', b"[[[[]]")),
        good[:-2] + b"\xff\x7f",
        b"\x00" * (LARGEST + 1),
    ):
        with pytest.raises(InputError):
            LearnedRouter.from_bytes(bad)


def test_any_text_has_chances(router: LearnedRouter) -> None:
    for text in ("", "?", "\x00", "\ud800 alone", "多少钱", "a" * 100_000, "A. \nB. \n", "١٢٣ + ½"):
        assert all(0 < chance < 1 for chance in router.predict(text).values()), text[:20]


def test_a_prediction_takes_about_a_millisecond(router: LearnedRouter) -> None:
    text = ("How many of the 12 boxes are left, if each of them holds more than half? " * 40)[:2000]
    took = []
    for _ in range(50):
        start = time.thread_time()
        router.predict(text)
        took.append(time.thread_time() - start)
    print(f"2,000 characters: {1000 * median(took):.2f} ms; {len(router.to_bytes()):,} bytes")
    assert median(took) < 0.02, "ten times of what is promised: this no longer runs beside a call"


@pytest.mark.parametrize(
    ("outcomes", "models", "problem"),
    [
        (invent(5, seed=1), MODELS, "at least 20 questions"),
        (invent(30, seed=1), ("mini", "huge"), "'huge'"),
        (invent(30, seed=1), ("mini", "mini"), "each once"),
        (invent(30, seed=1), (), "names of its models"),
    ],
)
def test_what_nothing_can_be_learned_from_is_refused(
    outcomes: list[Outcome], models: Sequence[str], problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        train_router(outcomes, models)


def test_models_that_are_always_or_never_right_can_be_learned() -> None:
    sure = [replace(outcome, score={"mini": 0.0, "large": 1.0}) for outcome in invent(60, seed=1)]
    chances = train_router(sure, MODELS).predict("add apples")
    assert chances["mini"] < 0.02
    assert chances["large"] > 0.98
    assert train_router(sure, ["large"]).predict("add apples")["large"] > 0.98


def test_it_knows_how_long_an_answer_to_such_a_question_is_and_what_is_not_recorded_it_does_not() -> None:
    tokens = {"sums": 400.0, "capitals": 100.0, "rhymes": 200.0}
    told = [
        replace(outcome, out_tokens={"large": tokens[kind_of(outcome)] + number % 5})
        for number, outcome in enumerate(invent(600, seed=1))
    ]
    router = LearnedRouter.from_bytes(train_router(told, MODELS).to_bytes())
    for kind, length in tokens.items():
        expected = [router.forecast(one.question).answer_tokens for one in invent(60, seed=2) if kind_of(one) == kind]
        assert fmean(one["large"] for one in expected) == pytest.approx(length, abs=50), kind
        assert {one["mini"] for one in expected} == {0.0}
    assert router.held_out.answers[:, 1].mean() == pytest.approx(fmean(tokens.values()), rel=0.1)
    assert (router.held_out.tokens > 10).all()


def test_a_question_too_long_for_its_gain_goes_to_the_cheap_model(router: LearnedRouter) -> None:
    by_length = {"mini": Tariff(0.0, 0.00001), "large": Tariff(0.0, 0.0002)}
    asked = {}
    for tokens in (10, 10_000):
        cost = {model: float(tariff.cost(tokens, 0.0)) for model, tariff in by_length.items()}
        chance = {"mini": 0.2, "large": 0.9}
        asked[tokens] = choose_model(chance, cost, Aim(target_quality=0.95), by_length, router.held_out).model
    assert asked == {10: "large", 10_000: "mini"}


def test_what_models_charge_is_told_by_what_was_paid() -> None:
    paid = [
        replace(
            outcome,
            question=outcome.question * (1 + number % 7),
            out_tokens={"large": float(100 + 37 * number % 50)},
        )
        for number, outcome in enumerate(invent(100, seed=3))
    ]
    known = Tariff(0.001, 2e-6, 8e-6)
    costs = [float(known.cost(estimate(one.question), one.out_tokens["large"])) for one in paid]
    priced = [replace(one, cost={"large": Decimal(usd)}) for one, usd in zip(paid, costs, strict=True)]
    found = tariffs_of(priced, ["large"])["large"]
    assert (found.fixed, found.sent, found.received) == pytest.approx((0.001, 2e-6, 8e-6), rel=1e-3)


def test_ridge_regression_finds_the_minimum() -> None:
    source = np.random.default_rng(1)
    features = source.normal(size=(40, 6))
    targets = source.normal(size=(40, 3))
    strength = np.array([0.5, 2.0, 30.0])
    found = fit_ridge(csr_matrix(features), targets, strength)
    for column, value in enumerate(strength):
        exact = np.linalg.solve(features.T @ features + value * np.eye(6), features.T @ targets[:, column])
        assert found[:, column] == pytest.approx(exact, rel=1e-3, abs=1e-4)


def _of(router: LearnedRouter, kind: str, outcomes: list[Outcome]) -> list[dict[str, float]]:
    return [router.predict(outcome.question) for outcome in outcomes if kind_of(outcome) == kind]
