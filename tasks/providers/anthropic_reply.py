"""What Anthropic's messages answer."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, JsonValue

from mirepoix.prices import Usage
from tasks.providers.base import CUT_OFF, Completion, ToolCall
from tasks.providers.http import Answer
from tasks.providers.replies import answer_of, model_name, parse_arguments
from tasks.providers.tokens import Count, counted, estimated
from tasks.providers.trouble import bad_answer, validated


class Block(BaseModel):
    """A piece of the answer; thinking is passed over."""

    type: str
    text: str | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, JsonValue] | str | None = None


class CacheCreation(BaseModel):
    """What was written to the cache, by how long it is kept."""

    ephemeral_1h_input_tokens: Count | None = None


class OutputDetails(BaseModel):
    """Parts of the answer's tokens."""

    thinking_tokens: Count | None = None


class Tokens(BaseModel):
    """Usage."""

    input_tokens: Count
    output_tokens: Count
    cache_creation_input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None


class StopDetails(BaseModel):
    """Why the model declined."""

    category: str | None = None
    explanation: str | None = None


class Reply(BaseModel):
    """The body of an answer."""

    content: list[Block]
    stop_reason: str | None = None
    stop_details: StopDetails | None = None
    usage: Tokens | None = None
    model: Any = None


def read_reply(data: dict[str, Any], asked: JsonValue, answer: Answer) -> Completion:
    """The answer to the messages `asked`. Raises ProviderError where it breaks the format or says nothing."""
    reply = validated(Reply, data, answer.status)
    refused = reply.stop_reason == "refusal"
    texts = [block.text for block in reply.content if block.type == "text" and block.text is not None]
    calls = tuple(
        ToolCall(block.id, block.name or "", parse_arguments(block.input))
        for block in reply.content
        if block.type == "tool_use"
    )
    if not texts and not calls and not refused and reply.stop_reason not in CUT_OFF:
        raise bad_answer("the answer has no text block", answer.status)
    text = "".join(texts)
    return Completion(
        answer=(text or _why(reply.stop_details)) if refused else answer_of(text, calls),
        usage=estimated(asked, text) if reply.usage is None else _usage(reply.usage),
        finish_reason=reply.stop_reason,
        status=answer.status,
        request_id=answer.headers.get("request-id"),
        refused=refused,
        tool_calls=calls,
        model=model_name(reply.model),
    )


def _why(details: StopDetails | None) -> str:
    return "" if details is None else details.explanation or details.category or ""


def _usage(tokens: Tokens) -> Usage:
    """input_tokens leaves out what was read from or written to the cache; ours counts all (Anthropic SDK types)."""
    cached, write = tokens.cache_read_input_tokens or 0, tokens.cache_creation_input_tokens or 0
    return counted(
        prompt=tokens.input_tokens + cached + write,
        output=tokens.output_tokens,
        cached=cached,
        cache_write=write,
        cache_write_1h=(tokens.cache_creation or CacheCreation()).ephemeral_1h_input_tokens or 0,
        reasoning=(tokens.output_tokens_details or OutputDetails()).thinking_tokens or 0,
    )
