"""How an ensemble stands, and the moves that it may make."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from pydantic import JsonValue

from mirepoix.views import Decision
from pipelines.reducers import Member, Reduced


class End(Enum):
    """How a step below an ensemble stands."""

    OPEN = "open"
    ANSWERED = "answered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Ballot:
    """A step below an ensemble that was asked: its path, how it stands, and its voice."""

    path: str
    end: End
    answer: JsonValue = None
    error: str | None = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Standing:
    """The members that were asked, in order, and the adviser, if that was asked.

    `seed` is drawn upon where the order of answers is left to chance; the same for the same step of the same job.
    """

    members: tuple[Ballot, ...]
    adviser: Ballot | None
    seed: str

    def those(self, end: End) -> list[Ballot]:
        """The members that stand so."""
        return [ballot for ballot in self.members if ballot.end is end]

    @property
    def answers(self) -> list[Member]:
        """What the members answered."""
        return [Member(ballot.path, ballot.answer, ballot.weight) for ballot in self.those(End.ANSWERED)]


@dataclass(frozen=True, slots=True)
class Wait:
    """Ask the members `ask` (their indices), and be woken when `ends` more have ended, or `after` so many seconds."""

    ends: int
    ask: tuple[int, ...] = ()
    decision: Decision | None = None
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Consult:
    """Ask the adviser."""

    decision: Decision


@dataclass(frozen=True, slots=True)
class Answer:
    """This is the answer."""

    reduced: Reduced


@dataclass(frozen=True, slots=True)
class Fail:
    """There is none, and why."""

    reason: str


Move = Wait | Consult | Answer | Fail


def amended(reduced: Reduced, *, reason: str | None = None, **features: JsonValue) -> Reduced:
    """The same answer with another reason, and more to be seen of how it came about."""
    decision = reduced.decision
    update = {"reason": reason or decision.reason, "features": decision.features | features}
    return replace(reduced, decision=decision.model_copy(update=update))
