"""OpenAI's stream, folded back into the answer that would have come without it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, JsonValue

from tasks.providers.base import OnText
from tasks.providers.folding import Pieces
from tasks.providers.trouble import bad_answer, validated

MOST_CALLS = 128
"""Tool calls in one answer; OpenAI takes no more than 128 tools."""


class _Function(BaseModel):
    name: str | None = None
    arguments: str | None = None


class _Call(BaseModel):
    index: int | None = None
    id: str | None = None
    function: _Function = _Function()


class _Part(BaseModel):
    type: str = ""
    text: str | None = None


class _Delta(BaseModel):
    content: str | list[_Part] | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None


class _Logprobs(BaseModel):
    content: list[dict[str, JsonValue]] | None = None


class _Choice(BaseModel):
    index: int = 0
    delta: _Delta = _Delta()
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Chunk(BaseModel):
    choices: list[_Choice] | None = None
    usage: dict[str, JsonValue] | None = None
    model: JsonValue = None


class OpenAIStream:
    """Takes chunk after chunk; usage comes in the last one, after finish_reason, with no choices."""

    def __init__(self, on_text: OnText | None) -> None:
        self._on_text = on_text
        self._content, self._refusal = Pieces(), Pieces()
        self._calls: list[tuple[_Call, Pieces]] = []
        self._logprobs: list[JsonValue] = []
        self._finish: str | None = None
        self._usage: dict[str, JsonValue] | None = None
        self._model: JsonValue = None

    def take(self, data: dict[str, Any]) -> bool:
        """Raises ProviderError for a chunk that breaks the format; the last event of all is `[DONE]`."""
        chunk = validated(_Chunk, data, 200)
        self._usage = chunk.usage or self._usage
        self._model = chunk.model or self._model
        for choice in chunk.choices or []:
            if choice.index == 0:
                self._take_choice(choice)
        return False

    def whole(self) -> dict[str, JsonValue]:
        """The answer. Raises ProviderError for a stream that was cut off: it never said how it ended."""
        if self._finish is None:
            raise bad_answer("the stream ended without a finish_reason", 200)
        calls: list[JsonValue] = [
            {"id": call.id, "function": {"name": call.function.name or "", "arguments": arguments.text()}}
            for call, arguments in self._calls
        ]
        message: dict[str, JsonValue] = {
            "content": self._content.text_or_none(),
            "refusal": self._refusal.text_or_none(),
            "tool_calls": calls,
        }
        choice: dict[str, JsonValue] = {"message": message, "finish_reason": self._finish}
        whole: dict[str, JsonValue] = {"choices": [choice | {"logprobs": {"content": self._logprobs}}]}
        return whole | {"usage": self._usage, "model": self._model}

    def _take_choice(self, choice: _Choice) -> None:
        delta = choice.delta
        content = delta.content
        if isinstance(content, list):
            content = "".join(part.text for part in content if part.type == "text" and part.text is not None)
        self._content.add(content, self._on_text)
        self._refusal.add(delta.refusal)
        for call in delta.tool_calls or []:
            self._take_call(call)
        if choice.logprobs and choice.logprobs.content:
            self._logprobs += [{"logprob": token.get("logprob")} for token in choice.logprobs.content]
        self._finish = choice.finish_reason or self._finish

    def _take_call(self, call: _Call) -> None:
        """A call begins with its id and name; its arguments follow in pieces under the same index."""
        index = len(self._calls) if call.index is None else call.index
        if not 0 <= index <= len(self._calls) or index >= MOST_CALLS:
            raise bad_answer(f"the stream has a tool call of index {index}, which cannot be", 200)
        if index == len(self._calls):
            self._calls.append((call, Pieces()))
        self._calls[index][1].add(call.function.arguments)
