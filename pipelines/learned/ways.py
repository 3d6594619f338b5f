"""The ways in which a policy may have its models asked, and which of them a quality asks for.

Beside the policy's own way, cascade routing, stand the plain ones that it must not be worse than: asking one model that
the question alone tells; asking models in a fixed order until some agree; and always asking the same. What came of each
on questions held out at training time decides. The best single model promises itself whole: it is there to fall back
upon.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mirepoix.errors import InputError
from pipelines.learned.states import Floats

LONGEST = 4
"""Models of a fixed order."""


@dataclass(frozen=True, slots=True)
class Priced:
    """Ask whom it is worth to ask, where a right answer more is worth so much that `price` of them cost a dollar.

    With `once` only one model is asked, by what the question tells; else answers tell who is asked after it.
    """

    price: float
    once: bool = False

    @property
    def told(self) -> str:
        """As people are told it."""
        return "routing" if self.once else "cascade routing"


@dataclass(frozen=True, slots=True)
class InOrder:
    """Ask the models of `order`, by their numbers, until `agreement` say the same; else the last one stands."""

    order: tuple[int, ...]
    agreement: int = 2

    @property
    def told(self) -> str:
        """As people are told it."""
        return "one model" if len(self.order) == 1 else f"agreement of {self.agreement}"


Way = Priced | InOrder


@dataclass(frozen=True, eq=False)
class Promise:
    """What came of questions held out at training time, in each of the `ways`.

    `quality` is relative to the best single model, `safe` what of it can be promised, and `cost` is USD per question;
    each [ways].
    """

    ways: tuple[Way, ...]
    quality: Floats
    safe: Floats
    cost: Floats

    def way_for(self, target_quality: float, models: Collection[int] | None = None) -> int:
        """The place of the cheapest way in which the target is safe; of the safest where it nowhere is.

        With `models` a fixed order asks none but those.
        """
        able = np.array([models is None or isinstance(way, Priced) or {*way.order} <= {*models} for way in self.ways])
        safe = np.where(able, self.safe, -np.inf)
        return cheapest_safe(safe, self.cost, target_quality)


def cheapest_safe(safe: Floats, cost: Floats, target: float) -> int:
    """The place of the cheapest setting whose `safe` quality reaches `target`; where none does, of the safest.

    Both are [settings]; of equally safe ones the cheaper is taken.
    """
    reached = np.flatnonzero(safe >= target)
    return int(reached[np.argmin(cost[reached])]) if len(reached) else int(np.lexsort((cost, -safe))[0])


def way_as_json(way: Way) -> dict[str, Any]:
    """As a policy's file has it."""
    if isinstance(way, Priced):
        return {"price": way.price, "once": way.once}
    return {"order": list(way.order), "agreement": way.agreement}


def way_of_json(read: Mapping[str, Any], models: int) -> Way:
    """What `way_as_json` wrote of a policy of so many models. Raises InputError, KeyError, TypeError or ValueError."""
    if "price" in read:
        price = float(read["price"])
        if not 0 <= price < float("inf"):
            raise InputError("the policy has a price of quality that is none.")
        return Priced(price, bool(read["once"]))
    order = tuple(int(model) for model in read["order"])
    if not 1 <= len({*order}) == len(order) <= LONGEST or not all(0 <= model < models for model in order):
        raise InputError("the policy has an order of models that it does not know.")
    return InOrder(order, int(read["agreement"]))
