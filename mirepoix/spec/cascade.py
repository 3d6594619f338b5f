"""Ask cheap models first, better ones only where that was not good enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from mirepoix.spec.gates import Gates, Share
from mirepoix.spec.node import Node
from mirepoix.strict import Strict

if TYPE_CHECKING:
    from mirepoix.spec import Pipeline

AT_LEAST = 0.8


class Accept(Strict):
    """A cascade stops at the first answer whose score is at least this (0..1).

    `at_least` is one number, or one for each tier; the last of them holds for the tiers after it. The score is the mean
    of what the `gates` say, by their weights; without `gates` it is read from the answer's own words. With `agreement`
    an answer is accepted, whatever its score, as soon as so many tiers gave the same one. `otherwise` is what happens
    when no answer was good enough: the `last` one stands (the default), or the `best`, or the cascade `fail`s.
    `ask_all` asks all tiers and all gates whatever they say: `mirepoix calibrate` learns from that.
    """

    at_least: Share | tuple[Share, ...] = AT_LEAST
    gates: Gates | None = None
    agreement: int | None = Field(default=None, ge=2, le=20)
    otherwise: Literal["last", "best", "fail"] | None = None
    ask_all: Literal[True] | None = None

    def threshold(self, tier: int) -> float:
        """The score that the answer of that tier must reach."""
        if isinstance(self.at_least, tuple):
            return self.at_least[min(tier, len(self.at_least) - 1)]
        return self.at_least


class Cascade(Node):
    """Ask the first tier; look at its answer; go on to the next tier only when it is not good enough."""

    kind: Literal["cascade"] = "cascade"
    tiers: tuple[Pipeline, ...] = Field(min_length=1, max_length=20)
    accept: Accept = Accept()

    @model_validator(mode="before")
    @classmethod
    def _thresholds_of_tiers(cls, data: Any) -> Any:
        """Let `{at_least: 0.9, call: …}` among the tiers stand for a number in `accept.at_least`."""
        if not isinstance(data, Mapping) or not isinstance(data.get("tiers"), Sequence):
            return data
        tiers, accept = data["tiers"], data.get("accept", {})
        own = [tier.get("at_least") if isinstance(tier, Mapping) else None for tier in tiers]
        if all(threshold is None for threshold in own) or not isinstance(accept, Mapping):
            return data
        common = accept.get("at_least", AT_LEAST)
        if isinstance(common, Sequence):
            raise ValueError("the thresholds stand on the tiers or in accept.at_least, not in both.")
        bare = [
            {key: value for key, value in tier.items() if key != "at_least"} if isinstance(tier, Mapping) else tier
            for tier in tiers
        ]
        thresholds = [common if threshold is None else threshold for threshold in own]
        return {**data, "tiers": bare, "accept": {**accept, "at_least": thresholds}}

    @model_validator(mode="after")
    def _thresholds_fit(self) -> Self:
        if isinstance(self.accept.at_least, tuple) and not 1 <= len(self.accept.at_least) <= len(self.tiers):
            raise ValueError(
                f"accept.at_least has {len(self.accept.at_least)} numbers for {len(self.tiers)} tiers; "
                "it is one number, or one for each tier."
            )
        return self
