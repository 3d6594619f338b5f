"""What a way to route is worth, from the quality and the cost of its settings.

A method can be set in K ways, each with a mean quality and a mean cost: its curve. All functions take arrays whose last
axis is K and whose other axes are whatever repeats (resamples of a bootstrap), and give one number for each of those;
NaN where the strong model is not better, or not dearer, than the cheap one.

PGR, APGR and CPT are those of RouteLLM (Ong et al. 2024, arXiv:2406.18665, section 3): the performance gap recovered is
(quality - quality of the weak model) / (quality of the strong - quality of the weak), APGR its mean over the share of
questions that the strong model is asked, CPT(x) the smallest such share that recovers x of the gap. Where a method asks
more than two models, or several of them, that share is replaced by the share of the strong model's extra cost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROUNDING = 1e-9
"""A quality is reached if it lacks no more than this."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The two models between which a curve lies: mean quality and mean cost of each, of the shape that repeats."""

    cheap_quality: Floats
    cheap_cost: Floats
    strong_quality: Floats
    strong_cost: Floats

    @property
    def gap(self) -> Floats:
        """By how much the strong model is better; NaN where it is not."""
        return _positive(self.strong_quality - self.cheap_quality)

    @property
    def extra_cost(self) -> Floats:
        """By how much the strong model is dearer; NaN where it is not."""
        return _positive(self.strong_cost - self.cheap_cost)


def apgr_by_calls(quality: Floats, calls: Floats, pair: Pair) -> Floats:
    """Average performance gap recovered: the area under PGR over `calls`, 0..1, from 0 to 1 along the last axis."""
    return np.asarray((quality_by_calls(quality, calls) - pair.cheap_quality) / pair.gap)


def quality_by_calls(quality: Floats, calls: Floats) -> Floats:
    """The mean quality over all shares of `calls` to the strong model, which must rise from 0 to 1 along the last axis.

    Between two settings one may toss a coin, so the curve is a straight line there.
    """
    heights = (quality[..., 1:] + quality[..., :-1]) / 2
    return np.asarray((heights * np.diff(calls, axis=-1)).sum(axis=-1))


def cpt_by_calls(quality: Floats, calls: Floats, pair: Pair, share: float) -> Floats:
    """Call-performance threshold: the least share of calls to the strong model that recovers `share` of the gap.

    Between two settings one may toss a coin, so the curve is a straight line there. `calls` must rise.
    """
    target = pair.cheap_quality + share * pair.gap
    reached = quality >= target[..., None] - ROUNDING
    first = np.argmax(reached, axis=-1)
    before = np.maximum(first - 1, 0)
    low, high = _at(quality, before), _at(quality, first)
    slope = np.where(high > low, (target - low) / np.where(high > low, high - low, 1), 1)
    found = _at(calls, before) + np.clip(slope, 0, 1) * (_at(calls, first) - _at(calls, before))
    return np.where(reached.any(axis=-1) & ~np.isnan(pair.gap), found, np.nan)


def area(quality: Floats, cost: Floats, pair: Pair) -> Floats:
    """Area under the cost-quality curve: the mean quality that a budget between the two models' costs buys.

    The curve is a step: at a budget it is the best quality among the settings that cost no more, and always asking the
    cheap model is one of them. Nothing is interpolated; 0..1.
    """
    quality = np.concatenate([pair.cheap_quality[..., None], quality], axis=-1)
    cost = np.concatenate([pair.cheap_cost[..., None], cost], axis=-1)
    cost = np.clip(cost, pair.cheap_cost[..., None], np.maximum(pair.strong_cost, pair.cheap_cost)[..., None])
    order = np.argsort(cost, axis=-1, kind="stable")
    within = np.take_along_axis(cost, order, axis=-1)
    best = np.maximum.accumulate(np.take_along_axis(quality, order, axis=-1), axis=-1)
    widths = np.diff(np.concatenate([within, pair.strong_cost[..., None]], axis=-1), axis=-1)
    return np.asarray((best * widths).sum(axis=-1) / pair.extra_cost)


def apgr_by_cost(quality: Floats, cost: Floats, pair: Pair) -> Floats:
    """As `apgr_by_calls`, over the share of the strong model's extra cost, under the step curve of `area`."""
    return np.asarray((area(quality, cost, pair) - pair.cheap_quality) / pair.gap)


def cpt_by_cost(quality: Floats, cost: Floats, pair: Pair, share: float) -> Floats:
    """The least share of the strong model's extra cost at which `share` of the gap is recovered, 0..1 or more."""
    least = _least_cost(quality, cost, pair.cheap_quality + share * pair.gap, pair)
    return np.asarray(np.maximum((least - pair.cheap_cost) / pair.extra_cost, 0))


def saved(quality: Floats, cost: Floats, pair: Pair, share: float) -> Floats:
    """What share of the strong model's cost is saved by the cheapest setting with `share` of its quality.

    Always asking the strong model is a setting of every method, so for a `share` up to 1 nothing is below 0.
    """
    least = _least_cost(quality, cost, share * pair.strong_quality, pair)
    return np.asarray(1 - least / _positive(pair.strong_cost))


def _least_cost(quality: Floats, cost: Floats, target: Floats, pair: Pair) -> Floats:
    reached = quality >= target[..., None] - ROUNDING
    least = np.where(reached, cost, np.inf).min(axis=-1)
    strong = np.where(pair.strong_quality >= target - ROUNDING, pair.strong_cost, np.inf)
    return np.where(np.isnan(target), np.nan, np.minimum(least, strong))


def _at(values: Floats, index: NDArray[np.intp]) -> Floats:
    return np.take_along_axis(values, index[..., None], axis=-1)[..., 0]


def _positive(values: Floats) -> Floats:
    return np.where(values > 0, values, np.nan)
