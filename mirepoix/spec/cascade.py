"""Ask cheap models first, better ones only where that was not good enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from mirepoix.spec.agreement import Agreement, SameAs
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
    an answer is accepted, whatever its score, as soon as so many tiers gave the same one; where neither `gates` nor
    `at_least` stand beside it, no score accepts an answer. `otherwise` is what happens when no answer was good enough:
    the `last` one stands (the default), or the `best`, or the cascade `fail`s.
    `ask_all` asks all tiers and all gates whatever they say: `mirepoix calibrate` learns from that.
    """

    at_least: Share | tuple[Share, ...] | None = None
    gates: Gates | None = None
    agreement: Agreement | None = None
    otherwise: Literal["last", "best", "fail"] | None = None
    ask_all: Literal[True] | None = None

    def threshold(self, tier: int) -> float:
        """The score that the answer of that tier must reach."""
        if isinstance(self.at_least, tuple):
            return self.at_least[min(tier, len(self.at_least) - 1)]
        return AT_LEAST if self.at_least is None else self.at_least

    @property
    def by_agreement_alone(self) -> bool:
        """Whether no score accepts an answer, only its being given again."""
        return self.agreement is not None and self.gates is None and self.at_least is None


class Policy(Strict):
    """A trained policy chooses after each answer which tier is asked next, or that the answers so far are enough.

    `learned` is its name in the registry of trained files. `target_quality` is a share of the quality of the best
    single model, which is kept as cheaply as can be; or `quality_per_usd` says how many more right answers a dollar
    must buy at least. `by` is when two answers are the same.
    """

    learned: str = Field(min_length=1, max_length=64)
    target_quality: float | None = Field(default=None, gt=0, le=2)
    quality_per_usd: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    by: SameAs = SameAs()

    @model_validator(mode="after")
    def _has_one_aim(self) -> Self:
        if (self.target_quality is None) == (self.quality_per_usd is None):
            raise ValueError("a policy takes one of target_quality and quality_per_usd.")
        return self


class Cascade(Node):
    """Ask the first tier; look at its answer; go on to the next tier only when it is not good enough.

    The first `together` tiers are asked at once. With a `policy` it, not `accept`, says whom to ask and when to stop.
    """

    kind: Literal["cascade"] = "cascade"
    tiers: tuple[Pipeline, ...] = Field(min_length=1, max_length=20)
    accept: Accept = Accept()
    together: int | None = Field(default=None, ge=1, le=20)
    policy: Policy | None = None

    @property
    def at_once(self) -> int:
        """How many tiers are asked before anything is decided; with a policy, which decides that, none."""
        return 0 if self.policy is not None else self.together or 1

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

    @model_validator(mode="after")
    def _together_fits(self) -> Self:
        if self.at_once > len(self.tiers):
            raise ValueError(f"together is {self.together}, but there are only {len(self.tiers)} tiers.")
        if self.at_once > 1 and self.accept.agreement is None:
            raise ValueError("tiers are asked together to see whether they agree: say accept.agreement as well.")
        return self

    @model_validator(mode="after")
    def _policy_stands_alone(self) -> Self:
        if self.policy is None:
            return self
        if self.accept != Accept() or self.together is not None:
            raise ValueError("a policy says itself when to stop and whom to ask: leave out accept and together.")
        models = [tier.model for tier in self.tiers if tier.kind == "call"]
        if len(set(models)) < len(self.tiers):
            raise ValueError("the tiers of a policy are calls, each of another model: it knows them by their models.")
        return self
