"""How good a router is on questions that it has not learned from: quality, cost and intervals, beside others.

A router is worth what it gets out of money at any price of quality: the area under the concave hull of its curve of
quality over cost, as a mean quality from 0 to 1. (The hull, since two ways can be mixed by chance.) Two routers are
compared on the same questions, resampled together (a paired bootstrap; Efron & Tibshirani, 1993), so that what both
find hard cancels out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learning.outcomes import Outcome
from learning.tariffs import tariffs_of
from mirepoix.errors import InputError
from pipelines.learned.model import LearnedRouter
from pipelines.learned.policy import Aim, Tariff, choose_model, price_of_quality
from pipelines.routers.query import estimate

RESAMPLES = 1000
PRICES = 60
"""Prices of quality that are tried, between paying anything and paying nothing."""
BINS = 10
TINY = 1e-12
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over the questions, with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What a way of choosing models does: its area, and at the aim its quality, its cost a question (USD), who answers.

    `calibration_error` is the mean distance of chances from what came true (ECE, 10 bins); None where none are told.
    """

    area: Estimate
    quality: Estimate
    cost: Estimate
    shares: dict[str, float]
    calibration_error: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """A router on `questions` that it has not learned from, beside the best single model and the current router.

    `gain` is the router's area less that of the current one; where there is none (`current` is None), less that of
    choosing without looking at the question. `models` are [quality, cost] of each model alone.
    """

    questions: int
    target_quality: float
    models: dict[str, tuple[float, float]]
    best_single: str
    router: Measured
    single: Measured
    current: Measured | None
    gain: Estimate

    @property
    def better(self) -> bool:
        """Whether the router is better than what there is."""
        return self.gain.value > 0

    @property
    def verdict(self) -> str:
        """What the numbers say."""
        of = "the current router" if self.current else "choosing without looking at the question"
        sure = "for sure" if self.gain.low > 0 or self.gain.high < 0 else "but these questions cannot tell for sure"
        word = "better" if self.better else "not better"
        told = f"{self.gain.value:+.4f} ({self.gain.low:+.4f} to {self.gain.high:+.4f})"
        return f"{word} than {of}, {sure}: area {told} on {self.questions} questions kept back"

    def as_json(self) -> dict[str, Any]:
        """As it is stored and printed."""
        models = {model: {"quality": quality, "cost_usd": cost} for model, (quality, cost) in self.models.items()}
        return {**asdict(self), "models": models, "better": self.better, "verdict": self.verdict}


def measure(
    router: LearnedRouter, outcomes: Sequence[Outcome], current: LearnedRouter | None, target_quality: float
) -> Report:
    """Measure `router` on outcomes that hold all of its models, beside `current` as far as they hold its models too.

    Raises InputError where a score or a cost is missing.
    """
    truth = _Truth.of(outcomes, router.models)
    tariffs = tariffs_of(outcomes, router.models)
    means = truth.scores.mean(axis=0)
    best = int(np.argmax(means))
    blind = np.tile(_trained_means(router), (len(outcomes), 1))
    mine = _way_of(router, outcomes, truth, tariffs, target_quality)
    single = _Way(truth, blind, np.tile(truth.costs.mean(axis=0), (len(outcomes), 1)), np.full(len(outcomes), best))
    known = current is not None and set(current.models) & set(truth.models)
    theirs = _way_of(current, outcomes, truth, tariffs, target_quality) if current is not None and known else None
    other = single if theirs is None else theirs
    return Report(
        questions=len(outcomes),
        target_quality=target_quality,
        models={m: (float(means[i]), float(truth.costs[:, i].mean())) for i, m in enumerate(router.models)},
        best_single=router.models[best],
        router=mine.measured(calibrated=True),
        single=single.measured(calibrated=False),
        current=None if theirs is None else theirs.measured(calibrated=True),
        gain=_estimate(lambda weights: mine.area(weights) - other.area(weights), len(outcomes)),
    )


def calibration_error(chances: Floats, scores: Floats) -> float:
    """The expected calibration error over bins of equal width (Naeini et al., 2015)."""
    known = np.isfinite(chances)
    told, came = chances[known], scores[known]
    bins = np.minimum((told * BINS).astype(int), BINS - 1)
    gaps = [abs(told[bins == b].sum() - came[bins == b].sum()) for b in range(BINS)]
    return float(sum(gaps) / len(told))


@dataclass(frozen=True, eq=False)
class _Truth:
    """What came of the questions: scores and costs, [questions, models]."""

    models: tuple[str, ...]
    scores: Floats
    costs: Floats

    @classmethod
    def of(cls, outcomes: Sequence[Outcome], models: Sequence[str]) -> _Truth:
        for outcome in outcomes:
            for model in models:
                if model not in outcome.score or model not in outcome.cost:
                    missing = "score" if model not in outcome.score else "cost"
                    raise InputError(f"outcome {outcome.id!r} has no {missing} of {model!r}; both are needed.")
        scores = np.array([[outcome.score[model] for model in models] for outcome in outcomes])
        costs = np.array([[float(outcome.cost[model]) for model in models] for outcome in outcomes])
        return cls(tuple(models), scores, costs)


@dataclass(frozen=True, eq=False)
class _Way:
    """A way of choosing: the chances and costs it goes by, and whom it asks at the aim (indices of models)."""

    truth: _Truth
    chances: Floats
    expected: Floats
    chosen: NDArray[np.int64]

    def area(self, weights: Floats) -> Floats:
        """The area for each row of `weights` (resamples of the questions)."""
        return _areas(self.truth, self.chances, self.expected, weights)

    def measured(self, *, calibrated: bool) -> Measured:
        rows = np.arange(len(self.chosen))
        scores, costs = self.truth.scores[rows, self.chosen], self.truth.costs[rows, self.chosen]
        counts = np.bincount(self.chosen, minlength=len(self.truth.models)) / len(rows)
        return Measured(
            area=_estimate(self.area, len(rows)),
            quality=_estimate(lambda weights: weights @ scores, len(rows)),
            cost=_estimate(lambda weights: weights @ costs, len(rows)),
            shares=dict(zip(self.truth.models, counts.tolist(), strict=True)),
            calibration_error=calibration_error(self.chances, self.truth.scores) if calibrated else None,
        )


def _way_of(
    router: LearnedRouter,
    outcomes: Sequence[Outcome],
    truth: _Truth,
    tariffs: Mapping[str, Tariff],
    target_quality: float,
) -> _Way:
    """A router on these questions: what it expects of each model, and whom its policy asks at that aim.

    A model that it does not know, or that the questions do not tell of, is one that it would never ask.
    """
    forecasts = [router.forecast(outcome.question) for outcome in outcomes]
    tokens = [estimate(outcome.question) for outcome in outcomes]
    costs = [
        {model: float(tariff.cost(sent, said.answer_tokens.get(model, 0.0))) for model, tariff in tariffs.items()}
        for said, sent in zip(forecasts, tokens, strict=True)
    ]
    known = {model: tariff for model, tariff in tariffs.items() if model in router.models}
    aim = Aim(quality_per_usd=price_of_quality(target_quality, known, router.held_out))
    chosen = [
        choose_model(said.chance, {model: usd[model] for model in known}, aim, known, router.held_out).model
        for said, usd in zip(forecasts, costs, strict=True)
    ]
    return _Way(
        truth,
        np.array([[said.chance.get(model, -np.inf) for model in truth.models] for said in forecasts]),
        np.array([[usd[model] for model in truth.models] for usd in costs]),
        np.array([truth.models.index(model) for model in chosen]),
    )


def _trained_means(router: LearnedRouter) -> Floats:
    """The quality of each model as the router came to know it."""
    mean: Floats = router.held_out.scores.astype(float).mean(axis=0)
    return mean


def _areas(truth: _Truth, chances: Floats, expected: Floats, weights: Floats) -> Floats:
    """For each row of `weights` the mean quality to be had, from the cost of the cheapest model to the dearest's."""
    spread = max(float(np.ptp(truth.costs.mean(axis=0))), TINY)
    prices = np.concatenate([[0.0], np.logspace(-3, 3, PRICES) / spread])
    chosen = np.array([np.argmax(chances - price * expected, axis=1) for price in prices]).T
    rows = np.arange(len(chances))[:, None]
    costs, quality = weights @ truth.costs[rows, chosen], weights @ truth.scores[rows, chosen]
    alone = weights @ truth.costs
    ends = zip(alone.min(axis=1), alone.max(axis=1), strict=True)
    return np.array([area_of(c, q, low, high) for c, q, (low, high) in zip(costs, quality, ends, strict=True)])


def area_of(costs: Floats, quality: Floats, low: float, high: float) -> float:
    """The mean height between `low` and `high` of the hull of these points, flat behind the best and 0 before all."""
    hull: list[tuple[float, float]] = []
    best = -1.0
    for cost, height in sorted(zip(costs.tolist(), (-quality).tolist(), strict=True)):
        if -height <= best:
            continue
        best = -height
        while len(hull) > 1 and _is_below(hull[-2], hull[-1], (cost, best)):
            hull.pop()
        hull.append((cost, best))
    if high - low < TINY:
        return best
    hull.append((max(high, hull[-1][0]), best))
    return sum((c1 - c0) * (q0 + q1) / 2 for (c0, q0), (c1, q1) in pairwise(hull)) / (hull[-1][0] - low)


def _is_below(first: tuple[float, float], middle: tuple[float, float], last: tuple[float, float]) -> bool:
    """Whether `middle` lies on or below the line between the others."""
    return (middle[1] - first[1]) * (last[0] - first[0]) <= (last[1] - first[1]) * (middle[0] - first[0])


def _estimate(statistic: Callable[[Floats], Floats], questions: int) -> Estimate:
    """A statistic of weighted questions, with its percentile bootstrap interval; the same questions give the same."""
    dice = np.random.default_rng(questions)
    resampled = dice.multinomial(questions, np.full(questions, 1 / questions), size=RESAMPLES) / questions
    value = float(statistic(np.full((1, questions), 1 / questions))[0])
    low, high = np.quantile(statistic(resampled), [0.025, 0.975])
    return Estimate(value, float(low), float(high))
