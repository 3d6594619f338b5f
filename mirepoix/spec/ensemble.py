"""Ask several and make one answer of theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from mirepoix.spec.node import Node
from mirepoix.spec.reduce import First, Fuse, Judge, Reduce, Vote
from mirepoix.strict import Strict

if TYPE_CHECKING:
    from mirepoix.spec import Pipeline

Weight = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
Reliability = Annotated[float, Field(gt=0, lt=1)]


class TieJudge(Strict):
    """A judge is asked where the members' votes are tied."""

    judge: Judge


class Hedge(Strict):
    """Each next member is asked only when no answer is there `after` so many seconds, or when one has failed."""

    after: float = Field(gt=0, le=3600)


class Ensemble(Node):
    """Ask all members at once and reduce their answers; `min_success` members must answer (default: a majority).

    `weights` are the members' voices, in their order; or `reliability` says how often each model is right, and a
    member's voice is the log-odds of that. `tie` says what becomes of equal votes: the `first` one stands, the ensemble
    shall `fail`, or a judge decides. With `quorum` the answer stands as soon as so many members agree, with `hedge`
    as soon as one has answered; the others are then given up.
    """

    kind: Literal["ensemble"] = "ensemble"
    members: tuple[Pipeline, ...] = Field(min_length=1, max_length=200)
    reduce: Reduce = Reduce()
    min_success: int | None = Field(default=None, ge=1)
    weights: tuple[Weight, ...] | None = None
    reliability: dict[str, Reliability] | None = None
    tie: Literal["first", "fail"] | TieJudge | None = None
    quorum: int | None = Field(default=None, ge=1)
    hedge: Hedge | None = None

    @model_validator(mode="after")
    def _can_succeed(self) -> Self:
        for option, number in (("min_success", self.min_success), ("quorum", self.quorum)):
            if number is not None and number > len(self.members):
                raise ValueError(f"{option} is {number}, but there are only {len(self.members)} members.")
        return self

    @model_validator(mode="after")
    def _voices_are_known(self) -> Self:
        if self.weights is not None and self.reliability is not None:
            raise ValueError("an ensemble takes weights or reliability, not both.")
        if self.weights is not None and len(self.weights) != len(self.members):
            raise ValueError(f"there are {len(self.members)} members, but {len(self.weights)} weights.")
        if self.weights is not None and not any(self.weights):
            raise ValueError("all weights are 0; no member would have a voice.")
        return self

    @model_validator(mode="after")
    def _hedges_alone(self) -> Self:
        if self.hedge is None:
            return self
        others = ("min_success", "weights", "reliability", "tie", "quorum")
        beside = next((name for name in others if getattr(self, name) is not None), None)
        if beside is not None:
            raise ValueError(f"a hedge stands by its first answer; it takes no {beside}.")
        if not isinstance(self.reduce.way, (Vote, First)):
            raise ValueError("a hedge stands by its first answer; it takes no reduce.")
        return self

    @model_validator(mode="after")
    def _tie_is_possible(self) -> Self:
        way = self.reduce.way
        counts = self.reduce.vote is not None or self.reduce.numbers is not None
        if isinstance(self.tie, TieJudge) and not counts:
            raise ValueError("a tie can be judged only where reduce is a vote, or one over numbers.")
        if self.tie == "fail" and not counts and self.reduce.by_field is None:
            raise ValueError(f"there is no tie where reduce is {type(way).__name__.lower()}.")
        return self

    @property
    def needed(self) -> int:
        """How many members must answer."""
        if self.min_success is not None:
            return self.min_success
        one_is_enough = self.hedge is not None or self.reduce.first is not None
        return 1 if one_is_enough else len(self.members) // 2 + 1

    @property
    def ends_early(self) -> bool:
        """Whether it may have its answer while members are at work."""
        return self.quorum is not None or self.hedge is not None

    @property
    def judge(self) -> Judge | None:
        """Who is asked for the best answer, always or where votes are tied."""
        return self.tie.judge if isinstance(self.tie, TieJudge) else self.reduce.judge

    @property
    def advisers(self) -> tuple[tuple[str, Judge | Fuse], ...]:
        """The models that may be asked once the members have ended, each with the name that its step goes by."""
        named = (("judge", self.judge), ("fuse", self.reduce.fuse))
        return tuple((name, adviser) for name, adviser in named if adviser is not None)
