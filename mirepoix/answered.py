"""What is handed from the ledger to pure thinking on jobs that have ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from mirepoix.prices import Usage


@dataclass(frozen=True, slots=True)
class AnsweredStep:
    """A step that ended with an answer, which is known by its hash."""

    path: str
    parent: str | None
    kind: str
    position: int
    output_hash: str


@dataclass(frozen=True, slots=True)
class AnsweredCall:
    """The answer that a call took: whose it is, its tokens, and what it cost. `cached`: nobody was asked."""

    provider: str
    usage: Usage
    cost: Decimal
    cached: bool


@dataclass(slots=True)
class FinishedJob:
    """A job that succeeded: what all its attempts cost, its answered steps, and its calls by path.

    `settled`: each of its attempts has an outcome, so that its cost grows no more.
    """

    id: str
    cost: Decimal = Decimal(0)
    settled: bool = True
    steps: list[AnsweredStep] = field(default_factory=list)
    calls: dict[str, AnsweredCall] = field(default_factory=dict)
