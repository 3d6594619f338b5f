"""Anthropic messages."""

from __future__ import annotations

from pydantic import BaseModel, Field, JsonValue, ValidationError

from mirepoix.prices import Usage
from tasks.providers.base import Completion, OnText, Question, estimate_tokens
from tasks.providers.http import Answer, Endpoint, bad_answer

VERSION = "2026-10-21"


class AnthropicAdapter:
    """POST {base_url}/messages. The API version is pinned: from 2026-10-21 on sampling parameters are refused."""

    def __init__(self, endpoint: Endpoint, key: str | None, version: str | None) -> None:
        self._endpoint = endpoint
        self._headers = {"anthropic-version": version or VERSION} | ({"x-api-key": key} if key else {})

    def body(self, question: Question) -> dict[str, JsonValue]:
        """The request's JSON; the system prompt stands at its top level."""
        body: dict[str, JsonValue] = {
            "model": question.target,
            "max_tokens": question.max_tokens,
            "messages": [{"role": turn.role, "content": turn.text} for turn in question.turns],
        }
        if question.system is not None:
            body["system"] = question.system
        if question.temperature is not None:
            body["temperature"] = question.temperature
        return body

    async def send(self, body: dict[str, JsonValue], tag: str, on_text: OnText | None = None) -> Completion:
        """Ask once. Raises ProviderError."""
        answer = await self._endpoint.post("/messages", self._headers | {"x-client-request-id": tag}, body)
        try:
            reply = _Reply.model_validate(answer.data)
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(str(part) for part in problem["loc"])
            raise bad_answer(f"the answer breaks the wire format: {where}: {problem['msg']}", answer.status) from error
        completion = _completion(reply, body, answer)
        if on_text is not None:
            on_text(str(completion.answer))
        return completion


class _Block(BaseModel):
    type: str
    text: str | None = None


class _Usage(BaseModel):
    input_tokens: int = Field(ge=0)
    output_tokens: int = Field(ge=0)
    cache_creation_input_tokens: int | None = Field(default=None, ge=0)
    cache_read_input_tokens: int | None = Field(default=None, ge=0)


class _Reply(BaseModel):
    content: list[_Block]
    stop_reason: str | None = None
    usage: _Usage | None = None


def _completion(reply: _Reply, body: dict[str, JsonValue], answer: Answer) -> Completion:
    refused = reply.stop_reason == "refusal"
    texts = [block.text for block in reply.content if block.type == "text" and block.text is not None]
    if not texts and not refused:
        raise bad_answer("the answer has no text block", answer.status)
    text = "".join(texts)
    return Completion(
        answer=text,
        usage=_usage(reply.usage, body, text),
        finish_reason=reply.stop_reason,
        status=answer.status,
        request_id=answer.headers.get("request-id"),
        refused=refused,
    )


def _usage(usage: _Usage | None, body: dict[str, JsonValue], text: str) -> Usage:
    """input_tokens leaves out what was read from or written to the cache; ours counts all (Anthropic SDK types)."""
    if usage is None:
        return Usage(input=estimate_tokens(str(body["messages"])), output=estimate_tokens(text), estimated=True)
    cached, write = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    return Usage(
        input=usage.input_tokens + cached + write, output=usage.output_tokens, cached=cached, cache_write=write
    )
