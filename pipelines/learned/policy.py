"""Which model to ask, given the chance that each is right, what each costs, and what is aimed at.

Whatever the aim, a model is worth its chance minus what it costs times a price of quality. That price is given
(`quality_per_usd`), or found: the highest at which questions held out at training time would have been answered as well
as is asked for (`target_quality`). Among models that are worth the same the cheaper one is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirepoix.errors import PipelineError
from pipelines.learned.margin import ONE_OF_A_LINE, safe_quality

PRICES = 120
"""Prices of quality that are tried, over five powers of ten."""
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


@dataclass(frozen=True, slots=True)
class Tariff:
    """What a model charges, in USD: for each question, for each token of it, and for each token of its answer.

    `most` is how many tokens an answer may have.
    """

    fixed: float
    sent: float = 0.0
    received: float = 0.0
    most: float = inf

    def cost(self, tokens: Array | float, answer: Array | float) -> Array | float:
        """What a question of so many `tokens` is expected to cost where the answer is expected to have so many."""
        return self.fixed + self.sent * tokens + self.received * np.minimum(answer, self.most)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What was predicted for questions that were not learned from, and what came of them.

    `chances` and `scores` are [questions, models], 0..1; `answers` are the tokens expected of each model's answer,
    [questions, models]; `tokens` [questions] are those of the questions.
    """

    models: tuple[str, ...]
    chances: Array
    scores: Array
    tokens: Array
    answers: Array


@dataclass(frozen=True, slots=True)
class Chosen:
    """The model to ask, its chance of a right answer, and the price of quality (right answers per USD) that decided."""

    model: str
    chance: float
    price: float


def choose_model(
    chance: Mapping[str, float], cost: Mapping[str, float], aim: Aim, tariffs: Mapping[str, Tariff], held_out: HeldOut
) -> Chosen:
    """Choose among the models of `cost` (USD for this question each), which are all in `chance` and `tariffs`.

    `held_out` is what the router that predicts `chance` carries with it. Where no model is as cheap as
    `max_cost_per_call`, the cheapest is chosen.
    """
    price, open_to = aim.quality_per_usd, dict(cost)
    if aim.max_cost_per_call is not None:
        affordable = {model: usd for model, usd in cost.items() if usd <= aim.max_cost_per_call}
        price, open_to = 0.0, affordable or {min(cost, key=lambda model: cost[model]): 0.0}
    if price is None:
        price = price_of_quality(aim.target_quality or 0.0, {model: tariffs[model] for model in cost}, held_out)
    model = min(open_to, key=lambda name: (price * cost[name] - chance[name], cost[name]))
    return Chosen(model, chance[model], price)


def price_of_quality(target: float, tariffs: Mapping[str, Tariff], held_out: HeldOut) -> float:
    """The highest price, in right answers per USD, at which held-out questions are answered well enough.

    That is so well that `target` times the quality of the best of the models in `tariffs` can be promised. Where it
    can at no price, 0: each question goes to the model with the best chance.
    """
    return _price(target, tuple(tariffs.items()), held_out)


@lru_cache(maxsize=256)
def _price(target: float, tariffs: tuple[tuple[str, Tariff], ...], held_out: HeldOut) -> float:
    columns = [held_out.models.index(model) for model, _ in tariffs]
    chances, scores, answers = (part[:, columns] for part in (held_out.chances, held_out.scores, held_out.answers))
    charged = [tariff.cost(held_out.tokens, answers[:, place]) for place, (_, tariff) in enumerate(tariffs)]
    costs = np.stack(np.broadcast_arrays(*charged, held_out.tokens)[:-1], axis=1)
    spread = float(np.ptp(costs.mean(axis=0)))
    if spread <= 0:
        return 0.0
    right = scores.astype(float)
    best = right[:, right.mean(axis=0).argmax()]
    for price in np.geomspace(1e2, 1e-3, PRICES) / spread:
        chosen = np.argmax(chances - price * costs, axis=1)
        quality = np.take_along_axis(right, chosen[:, None], axis=1)[:, 0]
        if safe_quality(quality, best, ONE_OF_A_LINE) >= target:
            return float(price)
    return 0.0
