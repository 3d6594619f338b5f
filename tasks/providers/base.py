"""What every adapter gives and takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pydantic import JsonValue

from mirepoix.prices import Usage


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked. `target` is its name on the wire, or the callable of an in-process model.

    `logprobs` asks for the log-probabilities of the answer's tokens where the provider has them.
    """

    target: str
    prompt: str
    system: str | None
    max_tokens: int
    temperature: float | None
    logprobs: bool = False


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back. `refused`: the model or its filter declined; the tokens are billed all the same.

    `logprob` is the mean log-probability of the answer's tokens, where it was asked for and the provider tells it.
    """

    answer: JsonValue
    usage: Usage
    finish_reason: str | None = None
    status: int | None = None
    request_id: str | None = None
    refused: bool = False
    logprob: float | None = None


class Adapter(Protocol):
    """One provider as the tasks see it."""

    def body(self, question: Question) -> dict[str, JsonValue]:
        """The request as it will be sent; recorded, so that it can be sent again."""

    async def send(self, body: dict[str, JsonValue], tag: str) -> Completion:
        """Send it and wait for the answer; `tag` names the step to the provider. Raises ProviderError."""


def estimate_tokens(text: str) -> int:
    """Four bytes a token: what is recorded, marked as estimated, where a provider reports no usage."""
    return -(-len(text.encode("utf-8", "replace")) // 4)
