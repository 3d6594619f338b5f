"""What gates look at and what they say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class Heard:
    """What a further call ended with: a sample of a tier, a judge, or a comparison. With `error` it gave no answer."""

    answer: JsonValue = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Tier:
    """How a tier of a cascade ended: with an answer, or with an error.

    `logprob` is the mean log-probability of the answer's tokens, None where nobody told. `samples` are None until the
    tier was asked again, `judge` until one was asked. `compared` are the earlier tiers, by number, with whose answers
    this one was compared.
    """

    answer: JsonValue = None
    finish_reason: str | None = None
    error: str | None = None
    logprob: float | None = None
    samples: tuple[Heard, ...] | None = None
    judge: Heard | None = None
    compared: Mapping[int, Heard] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The answer as text; what is not text as it prints."""
        return self.answer if isinstance(self.answer, str) else "" if self.answer is None else str(self.answer)

    @property
    def empty(self) -> bool:
        """Whether there is nothing in the answer."""
        return not self.text.strip()


@dataclass(frozen=True, slots=True)
class Score:
    """What a gate says of an answer: 0..1 and why. `value` is None when it cannot say; then it does not count.

    `veto`: the answer is not accepted, whatever the other gates say.
    """

    value: float | None
    reason: str
    veto: bool = False
