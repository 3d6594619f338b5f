"""What every adapter gives and takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pydantic import JsonValue

from mirepoix.prices import Usage

OnText = Callable[[str], None]
"""Takes each piece of an answer's text as it comes; called on the event loop, so it must not wait."""


@dataclass(frozen=True, slots=True)
class File:
    """A picture or a document of a turn: its bytes in base64 (`data`), or where the provider may fetch it (`url`)."""

    media_type: str
    data: str | None = None
    url: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function that the model asks its caller to run; `arguments` is an object, or the text that is none."""

    id: str | None
    name: str
    arguments: JsonValue

    @property
    def as_object(self) -> dict[str, JsonValue]:
        """The arguments for those who take an object only."""
        return self.arguments if isinstance(self.arguments, dict) else {"arguments": self.arguments}


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side of a conversation said, and showed.

    An assistant's turn may ask for `calls` of tools; one of a `tool` has in `text` what the call `answers` gave.
    """

    role: Literal["user", "assistant", "tool"]
    text: str
    files: tuple[File, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    answers: ToolCall | None = None

    @property
    def written(self) -> str:
        """All of it but the files, as text."""
        asked = [f"{call.name}({as_arguments(call.arguments)})" for call in self.calls]
        return "\n".join([*([self.text] if self.text or not asked else []), *asked])


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may ask for; `parameters` is the JSON Schema of its arguments."""

    name: str
    description: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked. `target` is its name on the wire, or the callable of an in-process model.

    The last of `turns` is the user's, or what a tool gave. `schema` is a JSON Schema that the answer must fit, which
    the provider is asked to enforce where it can; whether it did is for the caller to check. `tool_choice` is `auto`,
    `none`, `required` or a tool's name. `logprobs` asks for how sure the model was of its words, where the provider
    tells.
    """

    target: str
    turns: tuple[Turn, ...]
    system: str | None
    max_tokens: int
    temperature: float | None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: str | None = None
    schema: dict[str, Any] | None = None
    logprobs: bool = False


CUT_OFF = frozenset({"length", "max_tokens", "MAX_TOKENS", "model_context_window_exceeded"})
"""Reasons to end, of all providers, that say that more was to come."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back. `refused`: the model or its filter declined; the tokens are billed all the same.

    `answer` is the text; where the model asks for tools, it is `{"text": …, "tool_calls": [{id, name, arguments}]}`,
    the same calls as in `tool_calls`. `model` is who answered, as the provider calls it. `logprob` is the mean
    log-probability of the answer's tokens, 0 for certainty.
    """

    answer: JsonValue
    usage: Usage
    finish_reason: str | None = None
    status: int | None = None
    request_id: str | None = None
    refused: bool = False
    tool_calls: tuple[ToolCall, ...] = ()
    logprob: float | None = None
    model: str | None = None

    @property
    def truncated(self) -> bool:
        """Whether it ended at a bound (max_tokens, the context window) and not because all was said."""
        return self.finish_reason in CUT_OFF


class Adapter(Protocol):
    """One provider as the tasks see it."""

    def body(self, question: Question) -> dict[str, JsonValue]:
        """The request as it will be sent; recorded, so that it can be sent again."""

    async def send(self, body: dict[str, JsonValue], tag: str, on_text: OnText | None = None) -> Completion:
        """Send it and wait for the answer; `tag` names the step to the provider. Raises ProviderError.

        With `on_text` the answer is asked for as a stream, and each piece of its text handed over as it comes; what is
        returned is the same either way.
        """


def as_arguments(arguments: JsonValue) -> str:
    """The arguments of a call as text: JSON, or what a model wrote in its place."""
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def estimate_tokens(text: str) -> int:
    """Four bytes a token: what is recorded, marked as estimated, where a provider reports no usage."""
    return -(-len(text.encode("utf-8", "replace")) // 4)
