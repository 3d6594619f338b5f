"""What an answer policy hears, and what it advises. Knows no numpy: who takes advice need not have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Heard:
    """What a model said: the number of the group of answers that are the same (negative: nothing), and how long."""

    group: int
    characters: int


@dataclass(frozen=True, slots=True)
class Advice:
    """Ask `ask`, or, where it is None, stop: the answer of `stands` is right with this `chance`.

    `gains` are how much asking each set of models would add to the chance (`chance` itself before any was asked), and
    `worth` that less its cost at the price of quality.
    """

    ask: str | None
    stands: str | None
    chance: float
    gains: Mapping[tuple[str, ...], float]
    worth: Mapping[tuple[str, ...], float]
