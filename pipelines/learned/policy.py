"""Which model to ask, given the chance that each is right, what each costs, and what is aimed at.

Whatever the aim, a model is worth its chance minus what it costs times a price of quality. That price is given
(`quality_per_usd`), or found: the highest at which questions held out at training time would have been answered as well
as is asked for (`target_quality`). Among models that are worth the same the cheaper one is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import log10, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirepoix.errors import PipelineError

STEPS = 24
"""Halvings in the search for a price: to one part in ten million."""
SURENESS = 1.28
"""Standard errors by which held-out quality must exceed what is asked for: a bound that holds nine times of ten."""
FREE = 1e-6
"""What a model costs at least, as a share of what the dearest one costs."""
GRAIN = 50
"""Steps of a factor ten in which relative costs are told apart, so that a price that was found serves again."""

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Aim:
    """What a choice is to achieve; exactly one is given.

    `target_quality`: a share of the quality of the best single model, as cheaply as it can be had. `quality_per_usd`:
    how many more right answers a dollar must buy at least. `max_cost_per_call`: USD for a question.
    """

    target_quality: float | None = None
    quality_per_usd: float | None = None
    max_cost_per_call: float | None = None

    def __post_init__(self) -> None:
        if sum(given is not None for given in (self.target_quality, self.quality_per_usd, self.max_cost_per_call)) != 1:
            raise PipelineError("an aim is exactly one of target_quality, quality_per_usd and max_cost_per_call.")


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What was predicted for questions that were not learned from, and what came of them.

    `chances` and `scores` are [questions, models], 0..1.
    """

    models: tuple[str, ...]
    chances: Array
    scores: Array


@dataclass(frozen=True, slots=True)
class Chosen:
    """The model to ask, its chance of a right answer, and the price of quality (right answers per USD) that decided."""

    model: str
    chance: float
    price: float


def choose_model(chance: Mapping[str, float], cost: Mapping[str, float], aim: Aim, held_out: HeldOut) -> Chosen:
    """Choose among the models of `cost` (USD for this question each), which are all in `chance`.

    `held_out` is what the router that predicts `chance` carries with it. Where no model is as cheap as
    `max_cost_per_call`, the cheapest is chosen.
    """
    price, open_to = aim.quality_per_usd, dict(cost)
    if aim.max_cost_per_call is not None:
        affordable = {model: usd for model, usd in cost.items() if usd <= aim.max_cost_per_call}
        price, open_to = 0.0, affordable or {min(cost, key=lambda model: cost[model]): 0.0}
    if price is None:
        price = price_of_quality(aim.target_quality or 0.0, cost, held_out)
    model = min(open_to, key=lambda name: (price * cost[name] - chance[name], cost[name]))
    return Chosen(model, chance[model], price)


def price_of_quality(target: float, cost: Mapping[str, float], held_out: HeldOut) -> float:
    """The highest price, in right answers per USD, at which held-out questions are answered well enough.

    That is `target` times as well as by the best of the models in `cost`, by more than chance explains. Where only the
    best model itself is as good as that, 0: each question goes to the model with the best chance.
    """
    dearest = max(cost.values())
    if dearest <= 0:
        return 0.0
    ratios = tuple((model, round(GRAIN * log10(max(usd / dearest, FREE)))) for model, usd in cost.items())
    return _relative_price(target, ratios, held_out) / dearest


@lru_cache(maxsize=256)
def _relative_price(target: float, ratios: tuple[tuple[str, int], ...], held_out: HeldOut) -> float:
    """As `price_of_quality`, in right answers per cost of the dearest model; `ratios` are logarithms of costs."""
    columns = [held_out.models.index(model) for model, _ in ratios]
    chances, scores = held_out.chances[:, columns], held_out.scores[:, columns]
    costs = np.array([10 ** (ratio / GRAIN) for _, ratio in ratios])
    best = scores[:, scores.mean(axis=0).argmax()]

    def keeps(price: float) -> bool:
        chosen = np.argmax(chances - price * costs, axis=1)
        margin = np.take_along_axis(scores, chosen[:, None], axis=1)[:, 0] - target * best
        return bool(margin.mean() >= SURENESS * margin.std() / sqrt(len(margin)))

    low, high = 0.0, 1 / max(float(costs.max() - costs.min()), FREE)
    if keeps(high):
        return high
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if keeps(middle) else (low, middle)
    return low
