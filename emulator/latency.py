"""How long a model takes: a log-normal time to the first token, then its tokens one by one.

Published medians of one model differ two- to threefold by source, hence the wide
spread (sigma 0.35-0.6) and a tail of slow answers.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from typing import Self

from pydantic import Field, model_validator

from emulator.draws import normal
from emulator.profiles import ModelProfile
from mirepoix.strict import Strict

TAIL_CHANCE = 0.01
TAIL_FACTOR = 5.0
SPEED_SIGMA = 0.1


class LatencyRange(Strict):
    """Latencies that are anything from `min` to `max` seconds, whatever the model and the length of its answer."""

    min: float = Field(ge=0)
    max: float = Field(ge=0, le=86_400)

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min, {self.min:g}, is above max, {self.max:g}.")
        return self


@dataclass(frozen=True, slots=True)
class Latency:
    """How long an answer takes: seconds until `first`, its first token, and then for each of its `tokens`."""

    first: float
    per_token: float
    tokens: int

    def after(self, thoughts: int) -> Latency:
        """The same where so many tokens of thoughts come before the first."""
        return replace(self, first=self.first + thoughts * self.per_token)

    @property
    def total(self) -> float:
        """Seconds until the whole answer is there."""
        return self.first + self.tokens * self.per_token


def draw_latency(
    profile: ModelProfile, output_tokens: int, draws: random.Random, within: LatencyRange | None = None
) -> Latency:
    """How long an answer of `output_tokens` takes; where a range is given, all is uniform, its tokens evenly spread."""
    if within is not None:
        even = (within.min + (within.max - within.min) * draws.random()) / (output_tokens + 1)
        return Latency(even, even, output_tokens)
    first = profile.ttft_median * math.exp(profile.ttft_sigma * normal(draws))
    if draws.random() < TAIL_CHANCE:
        first *= TAIL_FACTOR
    return Latency(first, math.exp(SPEED_SIGMA * normal(draws)) / profile.tokens_per_second, output_tokens)
