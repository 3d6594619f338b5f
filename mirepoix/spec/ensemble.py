"""Ask several at once and make one answer of theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from mirepoix.spec.node import Node
from mirepoix.strict import Strict

if TYPE_CHECKING:
    from mirepoix.spec import Pipeline


class Vote(Strict):
    """The answer that most members gave, compared without case, punctuation and surrounding white space."""


class Reduce(Strict):
    """How the members' answers become one."""

    vote: Vote = Vote()


class Ensemble(Node):
    """Ask all members at once and reduce their answers; `min_success` members must answer (default: a majority)."""

    kind: Literal["ensemble"] = "ensemble"
    members: tuple[Pipeline, ...] = Field(min_length=1, max_length=200)
    reduce: Reduce = Reduce()
    min_success: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _can_succeed(self) -> Self:
        if self.min_success is not None and self.min_success > len(self.members):
            raise ValueError(f"min_success is {self.min_success}, but there are only {len(self.members)} members.")
        return self

    @property
    def quorum(self) -> int:
        """How many members must answer."""
        return self.min_success if self.min_success is not None else len(self.members) // 2 + 1
