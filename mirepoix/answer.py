"""What a gate of your own is shown of an answer."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of one tier of a cascade.

    `input` is the job's, `output` what the tier answered, `tier` its number from 0, `finish_reason` the provider's word
    for why the answer ended, `logprob` the mean log-probability of its tokens where the provider tells it, and
    `earlier` what the tiers before it answered (None for one that gave no answer).
    """

    input: JsonValue
    output: JsonValue
    tier: int
    finish_reason: str | None = None
    logprob: float | None = None
    earlier: tuple[JsonValue, ...] = ()

    @property
    def text(self) -> str:
        """The output as text; what is not text as it prints."""
        return self.output if isinstance(self.output, str) else "" if self.output is None else str(self.output)
