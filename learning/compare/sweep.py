"""A method tried in all its settings on the same questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learning.compare.metrics import Floats
from learning.compare.table import Table
from pipelines.learned.margin import safe_quality
from pipelines.learned.ways import cheapest_safe

THRESHOLDS = 101
PRICES = np.concatenate([[0.0], np.geomspace(1e-3, 1e2, 80), [1e6]])
"""What quality a whole strong answer's cost must be worth, from nothing to all: the settings of a router of many."""


@dataclass(frozen=True, eq=False, slots=True)
class Sweep:
    """What each of K settings did with each question: `quality` 0..1 and `cost` in USD, both [questions, K].

    `asked` is the mean number of calls of each model, [models, K]. `calls` is 1 where the strong model was asked and
    only there, [questions, K], with settings in the order of rising calls; None for what is no router of a pair.
    """

    quality: Floats
    cost: Floats
    asked: Floats
    calls: Floats | None = None

    def setting(self, index: int) -> Sweep:
        """That one setting alone."""
        return self.settings([index])

    def settings(self, indices: Sequence[int]) -> Sweep:
        """Those settings, in that order."""
        return Sweep(*(values[:, list(indices)] for values in (self.quality, self.cost, self.asked)))

    def cheapest(self, target: float, strong: Floats) -> int:
        """The cheapest setting that can be promised to reach `target` of the quality of `strong` [questions], 0..1.

        Of many settings the best on few questions was lucky, so less is promised than was seen (`safe_quality`).
        """
        safe = np.array([safe_quality(one, strong) for one in self.quality.T])
        return cheapest_safe(safe, self.cost.mean(axis=0), target)


def joined(sweeps: Sequence[Sweep]) -> Sweep:
    """Settings of one method as one sweep."""
    parts = [(one.quality, one.cost, one.asked) for one in sweeps]
    return Sweep(*(np.concatenate(values, axis=1) for values in zip(*parts, strict=True)))


def always(table: Table, model: int) -> Sweep:
    """Every question to the one model."""
    return choices(table, np.full((len(table), 1), model))


def choices(table: Table, chosen: NDArray[np.intp]) -> Sweep:
    """One model for each question and setting: `chosen` [questions, K] holds the models' places."""
    rows = np.arange(len(table))[:, None]
    asked = np.stack([(chosen == model).mean(axis=0) for model in range(len(table.models))])
    return Sweep(table.score[rows, chosen], table.cost[rows, chosen], asked)


def thresholds(scores: Floats) -> Floats:
    """Settings of a router of a pair, from none to all questions for the strong model: quantiles of known `scores`."""
    return np.concatenate([[np.inf], np.quantile(scores, np.linspace(1, 0, THRESHOLDS))[1:-1], [-np.inf]])


def by_threshold(table: Table, scores: Floats, bounds: Floats, pair: tuple[int, int]) -> Sweep:
    """The strong model of `pair` (cheap, strong) where `scores` [questions] are at least a bound, else the cheap."""
    cheap, strong = pair
    to_strong = scores[:, None] >= bounds
    swept = choices(table, np.where(to_strong, strong, cheap))
    return Sweep(swept.quality, swept.cost, swept.asked, to_strong.astype(float))


def random_mix(table: Table, pair: tuple[int, int]) -> Sweep:
    """Each share of questions to the strong model, drawn by lot: what is expected, without the lot's own noise."""
    cheap, strong = pair
    shares = np.linspace(0, 1, THRESHOLDS)
    asked = np.zeros((len(table.models), THRESHOLDS))
    asked[cheap], asked[strong] = 1 - shares, shares
    quality, cost = (
        values[:, [cheap]] * (1 - shares) + values[:, [strong]] * shares for values in (table.score, table.cost)
    )
    return Sweep(quality, cost, asked, np.broadcast_to(shares, quality.shape))


def by_value(table: Table, chances: Floats, costs: Floats, unit: float) -> Sweep:
    """The model with the greatest chance less its cost, at each price of quality.

    `chances` and expected `costs` (USD) are [questions, models]; `unit` is the cost, in USD, in which prices count.
    """
    worth = chances[:, :, None] - costs[:, :, None] / unit * PRICES
    return choices(table, worth.argmax(axis=1))


@dataclass(frozen=True, eq=False, slots=True)
class CostModel:
    """What an answer of each model is expected to cost by the length of its question, learned from `train`.

    The answer's length is not known before it is given: a straight line through what was paid.
    """

    base: Floats
    slope: Floats
    least: Floats

    @classmethod
    def of(cls, train: Table) -> CostModel:
        """Fit a line for each model."""
        lengths = _lengths(train)
        slope, base = np.polyfit(lengths, train.cost, 1) if np.ptp(lengths) else (0 * train.cost[0], train.cost.mean(0))
        return cls(base, slope, train.cost.min(axis=0))

    def expect(self, table: Table) -> Floats:
        """USD, [questions, models]."""
        return np.asarray(np.maximum(self.base + _lengths(table)[:, None] * self.slope, self.least))


def _lengths(table: Table) -> Floats:
    return np.array([len(question) for question in table.questions], float)
