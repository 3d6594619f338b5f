"""What OpenAI's chat completions answer, and what servers that speak the same format make of it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, JsonValue

from mirepoix.prices import Usage
from tasks.providers.base import CUT_OFF, Completion, ToolCall
from tasks.providers.http import Answer
from tasks.providers.replies import answer_of, mean, model_name, parse_arguments
from tasks.providers.tokens import Count, counted, estimated
from tasks.providers.trouble import bad_answer, validated


class Function(BaseModel):
    """What is to be called; `arguments` is JSON as text (Ollama's own API: an object)."""

    name: str = ""
    arguments: str | dict[str, JsonValue] | None = None


class Call(BaseModel):
    """A tool call."""

    id: str | None = None
    function: Function


class Part(BaseModel):
    """A piece of content where it is a list (Mistral's reasoning models)."""

    type: str = ""
    text: str | None = None


class Message(BaseModel):
    """What the model said."""

    content: str | list[Part] | None = None
    refusal: str | None = None
    tool_calls: list[Call] | None = None


class Token(BaseModel):
    """How sure the model was of one token."""

    logprob: float


class Logprobs(BaseModel):
    """Of all tokens of the content."""

    content: list[Token] | None = None


class Choice(BaseModel):
    """One of the answers; only one is asked for."""

    message: Message
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class PromptDetails(BaseModel):
    """Parts of the prompt's tokens."""

    cached_tokens: Count | None = None
    cache_write_tokens: Count | None = None


class OutputDetails(BaseModel):
    """Parts of the answer's tokens."""

    reasoning_tokens: Count | None = None


class Tokens(BaseModel):
    """Usage. DeepSeek and Mistral have names of their own for what came from the cache."""

    prompt_tokens: Count
    completion_tokens: Count = 0
    total_tokens: Count | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    prompt_cache_hit_tokens: Count | None = None
    num_cached_tokens: Count | None = None


class Reply(BaseModel):
    """The body of an answer."""

    choices: list[Choice] = Field(min_length=1)
    usage: Tokens | None = None
    model: Any = None


def read_reply(data: dict[str, Any], asked: JsonValue, answer: Answer) -> Completion:
    """The answer to the messages `asked`. Raises ProviderError where it breaks the format or says nothing."""
    reply = validated(Reply, data, answer.status)
    choice = reply.choices[0]
    message, text = choice.message, _text(choice.message)
    refused = message.refusal is not None or choice.finish_reason == "content_filter"
    calls = tuple(_call(call) for call in message.tool_calls or [])
    if text is None and not refused and not calls and choice.finish_reason not in CUT_OFF:
        raise bad_answer("the answer has neither content nor a refusal", answer.status)
    said = text or ""
    return Completion(
        answer=message.refusal if message.refusal is not None else answer_of(said, calls),
        usage=estimated(asked, said) if reply.usage is None else _usage(reply.usage),
        finish_reason=choice.finish_reason,
        status=answer.status,
        request_id=answer.headers.get("x-request-id") or answer.headers.get("apim-request-id"),
        refused=refused,
        tool_calls=calls,
        model=model_name(reply.model),
        logprob=mean(token.logprob for token in (choice.logprobs and choice.logprobs.content) or []),
    )


def _text(message: Message) -> str | None:
    if isinstance(message.content, list):
        return "".join(part.text for part in message.content if part.type == "text" and part.text is not None)
    return message.content


def _call(call: Call) -> ToolCall:
    return ToolCall(call.id, call.function.name, parse_arguments(call.function.arguments))


def _usage(tokens: Tokens) -> Usage:
    """prompt_tokens counts cached ones too, completion_tokens counts reasoning too (OpenAI SDK, type docstrings).

    xAI leaves reasoning out of completion_tokens, which its total gives away.
    """
    prompt = tokens.prompt_tokens_details or PromptDetails()
    reasoning = (tokens.completion_tokens_details or OutputDetails()).reasoning_tokens or 0
    output = tokens.completion_tokens
    if reasoning and tokens.total_tokens == tokens.prompt_tokens + output + reasoning:
        output += reasoning
    return counted(
        prompt=tokens.prompt_tokens,
        output=output,
        cached=prompt.cached_tokens or tokens.prompt_cache_hit_tokens or tokens.num_cached_tokens or 0,
        cache_write=prompt.cache_write_tokens or 0,
        reasoning=reasoning,
    )
