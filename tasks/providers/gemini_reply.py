"""What Gemini's generateContent answers."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue
from pydantic.alias_generators import to_camel

from mirepoix.prices import Usage
from tasks.providers.base import CUT_OFF, Completion, ToolCall
from tasks.providers.http import Answer
from tasks.providers.replies import answer_of, mean, model_name, parse_arguments
from tasks.providers.tokens import Count, counted, estimated
from tasks.providers.trouble import bad_answer

BLOCKED = frozenset(
    {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR"}
    | {"LANGUAGE", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"}
)
"""Reasons to end (google-genai, FinishReason) that say that a filter, or the model, declined."""


class _Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class FunctionCall(_Wire):
    """A tool call."""

    id: str | None = None
    name: str = ""
    args: dict[str, JsonValue] | None = None


class Part(_Wire):
    """A piece of the answer; a `thought` is a summary of the reasoning, not the answer."""

    text: str | None = None
    thought: bool = False
    function_call: FunctionCall | None = None


class Content(_Wire):
    """Its parts may be absent (MAX_TOKENS, SAFETY)."""

    parts: list[Part] | None = None


class Candidate(_Wire):
    """One of the answers; only one is asked for."""

    content: Content | None = None
    finish_reason: str | None = None
    avg_logprobs: float | None = None


class PromptFeedback(_Wire):
    """Why the prompt itself was blocked."""

    block_reason: str | None = None
    block_reason_message: str | None = None


class Tokens(_Wire):
    """Usage; counts of nothing are absent."""

    prompt_token_count: Count = 0
    candidates_token_count: Count | None = None
    thoughts_token_count: Count | None = None
    tool_use_prompt_token_count: Count | None = None
    cached_content_token_count: Count | None = None


class Reply(_Wire):
    """The body of an answer, or one piece of a stream."""

    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: Tokens | None = None
    response_id: str | None = None
    model_version: Any = None


def read_reply(reply: Reply, asked: JsonValue, answer: Answer) -> Completion:
    """The answer to the contents `asked`. Raises ProviderError where it says nothing."""
    if not reply.candidates:
        return _blocked(reply, asked, answer)
    candidate = reply.candidates[0]
    parts = (candidate.content and candidate.content.parts) or []
    text = "".join(part.text for part in parts if part.text is not None and not part.thought)
    calls = tuple(_call(part.function_call) for part in parts if part.function_call is not None)
    refused = candidate.finish_reason in BLOCKED
    spoke = any(part.text is not None and not part.thought for part in parts)
    if not spoke and not calls and not refused and candidate.finish_reason not in CUT_OFF:
        raise bad_answer(f"the answer has no text; it ended with {candidate.finish_reason}", answer.status)
    return Completion(
        answer=answer_of(text, calls),
        usage=estimated(asked, text) if reply.usage_metadata is None else _usage(reply.usage_metadata),
        finish_reason=candidate.finish_reason,
        status=answer.status,
        request_id=_request_id(reply, answer),
        refused=refused,
        tool_calls=calls,
        model=model_name(reply.model_version),
        logprob=mean([] if candidate.avg_logprobs is None else [candidate.avg_logprobs]),
    )


def _blocked(reply: Reply, asked: JsonValue, answer: Answer) -> Completion:
    feedback = reply.prompt_feedback
    if feedback is None or feedback.block_reason is None:
        raise bad_answer("the answer has no candidates, and no reason why", answer.status)
    usage = estimated(asked, "") if reply.usage_metadata is None else _usage(reply.usage_metadata)
    return Completion(
        answer=feedback.block_reason_message or "",
        usage=usage,
        finish_reason=feedback.block_reason,
        status=answer.status,
        request_id=_request_id(reply, answer),
        refused=True,
    )


def _call(call: FunctionCall) -> ToolCall:
    return ToolCall(call.id, call.name, parse_arguments(call.args))


def _request_id(reply: Reply, answer: Answer) -> str | None:
    return answer.headers.get("x-request-id") or reply.response_id


def _usage(tokens: Tokens) -> Usage:
    """promptTokenCount counts cached ones too; candidatesTokenCount leaves thoughts out, which are billed as output.

    What tools put into the prompt is counted apart (google-genai, types).
    """
    thoughts = tokens.thoughts_token_count or 0
    return counted(
        prompt=tokens.prompt_token_count + (tokens.tool_use_prompt_token_count or 0),
        output=(tokens.candidates_token_count or 0) + thoughts,
        cached=tokens.cached_content_token_count or 0,
        reasoning=thoughts,
    )
