"""Which model to ask, given the chance that each is right, what each costs, and what is aimed at.

Whatever the aim, a model is worth its chance minus what it costs times a price of quality. That price is given
(`quality_per_usd`), or found: the highest at which questions held out at training time would have been answered as well
as is asked for (`target_quality`). Among models that are worth the same the cheaper one is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mirepoix.errors import PipelineError

STEPS = 40
"""Halvings in the search for a price: to one part in 10^12."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What a choice is to achieve; exactly one is given.

    `target_quality`: a share of the quality of the best single model, 0..1, as cheaply as it can be had.
    `quality_per_usd`: how many more right answers a dollar must buy at least. `max_cost_per_call`: USD for a question.
    """

    target_quality: float | None = None
    quality_per_usd: float | None = None
    max_cost_per_call: float | None = None

    def __post_init__(self) -> None:
        if sum(given is not None for given in (self.target_quality, self.quality_per_usd, self.max_cost_per_call)) != 1:
            raise PipelineError("an aim is one of target_quality, quality_per_usd and max_cost_per_call.")


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What was predicted for questions that were not learned from, and what came of them.

    `chances` and `scores` are [questions, models], 0..1.
    """

    models: tuple[str, ...]
    chances: NDArray[np.float32]
    scores: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The model to ask, its chance of a right answer, and the price of quality (right answers per USD) that decided."""

    model: str
    chance: float
    price: float


def choose_model(chance: Mapping[str, float], cost: Mapping[str, float], aim: Aim, held_out: HeldOut) -> Chosen:
    """Choose among the models of `cost` (USD for this question each), which are all in `chance`.

    `held_out` is what the router that predicts `chance` carries with it.
    """
    if aim.max_cost_per_call is not None:
        affordable = {model: usd for model, usd in cost.items() if usd <= aim.max_cost_per_call}
        model = min(affordable or cost, key=lambda name: (-chance[name] if affordable else 0, cost[name]))
        return Chosen(model, chance[model], 0.0)
    price = aim.quality_per_usd
    if price is None:
        price = price_of_quality(aim.target_quality or 0.0, cost, held_out)
    model = min(cost, key=lambda name: (price * cost[name] - chance[name], cost[name]))
    return Chosen(model, chance[model], price)


def price_of_quality(target: float, cost: Mapping[str, float], held_out: HeldOut) -> float:
    """The highest price, in right answers per USD, at which the held-out questions are answered well enough.

    That is: on average at least `target` times as well as by the best of the models in `cost`.
    """
    columns = [held_out.models.index(model) for model in cost]
    chances, scores = held_out.chances[:, columns], held_out.scores[:, columns]
    usd = np.array(list(cost.values()))
    needed = target * scores.mean(axis=0).max()
    low, high = 0.0, 1 / max(float(usd.max() - usd.min()), 1e-12)
    if _quality(chances, scores, usd, high) >= needed:
        return high
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _quality(chances, scores, usd, middle) >= needed else (low, middle)
    return low


def _quality(
    chances: NDArray[np.float32], scores: NDArray[np.float32], usd: NDArray[np.float64], price: float
) -> float:
    chosen = np.argmax(chances - price * usd, axis=1)
    return float(scores[np.arange(len(scores)), chosen].mean())
