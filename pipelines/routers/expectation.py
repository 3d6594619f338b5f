"""What a branch may be expected to cost, and how long to take, before anything is asked.

A chain is the sum of its parts. An ensemble costs all its members and takes as long as its slowest. A cascade counts as
the first tier that can answer, since others are asked only where that is not good enough; a route as its cheapest or
fastest branch; a map as one item.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, partial
from math import inf
from types import MappingProxyType
from typing import TypeVar

from mirepoix.errors import ConfigError
from mirepoix.paths import Place, child, children, walk_below
from mirepoix.prices import Usage, cost
from mirepoix.spec import Branch, Call, Cascade, Chain, Ensemble, If, Map, Route
from pipelines.routers.constraints import Constraints

Amount = TypeVar("Amount", Decimal, float)
_OfCall = Callable[[Place, Call], Amount | None]
_Together = Callable[[list[Amount]], Amount]
NOTHING_MEASURED: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class Candidate:
    """A branch that can answer: its index, and what it may be expected to cost and to take."""

    index: int
    branch: Branch
    place: Place
    constraints: Constraints
    measured: Mapping[str, float]

    @cached_property
    def cost(self) -> Decimal | None:
        """USD for the query and all the tokens that may be answered; None where a price is not known."""
        return self._total(self.place, self._cost_of_call, at_once=_sum)

    @cached_property
    def seconds(self) -> float | None:
        """As configured (`latency`), else the median of recent attempts; None where nobody knows."""
        return self._total(self.place, self._seconds_of_call, at_once=max)

    def cost_of(self, tokens: int, answer: int | None) -> Decimal | None:
        """USD for a query of so many tokens, where the first call answers in `answer` tokens, the others in their most.

        None for `answer` is the most as well; None is returned where a price is not known.
        """
        return self._total(self.place, partial(self._cost_of_call, tokens=tokens, answer=answer), at_once=_sum)

    @cached_property
    def first_model(self) -> str | None:
        """The model of its first call; None where it has none."""
        return None if self._first is None else self._first[1].model

    @cached_property
    def longest_answer(self) -> float:
        """How many tokens its first call may get."""
        return inf if self._first is None else self.constraints.tokens(*self._first)[1]

    @cached_property
    def _first(self) -> tuple[Place, Call] | None:
        calls = ((below, below.node) for below in walk_below(self.place) if isinstance(below.node, Call))
        return next(calls, None)

    def _total(self, place: Place, of_call: _OfCall[Amount], *, at_once: _Together[Amount]) -> Amount | None:
        """The amount for all of `place`; `at_once` makes one of those of calls that run at the same time."""
        node = place.node
        match node:
            case Call():
                return of_call(place, node)
            case Chain():
                parts = children(place)
            case Map() | If():
                parts = [child(place, 0)]
            case Cascade() | Ensemble() | Route():
                parts = [below for below in children(place) if not self.constraints.against(below)]
        if isinstance(node, Cascade):
            parts = parts[:1]
        amounts = [self._total(part, of_call, at_once=at_once) for part in parts]
        known = [amount for amount in amounts if amount is not None]
        if not known or (len(known) < len(amounts) and not isinstance(node, Route)):
            return None
        if isinstance(node, Route):
            return min(known)
        return at_once(known) if isinstance(node, Ensemble) else _sum(known)

    def _cost_of_call(
        self, place: Place, call: Call, tokens: int | None = None, answer: int | None = None
    ) -> Decimal | None:
        config, key = self.constraints.query.config, self.constraints.asked(call) or call.model
        sent, most = self.constraints.tokens(place, call, tokens)
        if answer is not None and self._first is not None and place.path == self._first[0].path:
            most = answer
        try:
            provider = config.providers[config.provider_of(key)]
            return cost(config.models[key], provider.api, Usage(input=sent, output=most), provider.prices_of)
        except ConfigError:
            return None

    def _seconds_of_call(self, place: Place, call: Call) -> float | None:
        key = self.constraints.asked(call) or call.model
        latency = self.constraints.query.config.models[key].latency
        return self.measured.get(key) if latency is None else latency.of(self.constraints.tokens(place, call)[1])


def _sum(amounts: list[Amount]) -> Amount:
    total = amounts[0]
    for amount in amounts[1:]:
        total += amount
    return total
