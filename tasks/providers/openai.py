"""OpenAI chat completions, and the many servers that speak the same format."""

from __future__ import annotations

from pydantic import BaseModel, Field, JsonValue, ValidationError

from mirepoix.prices import Usage
from tasks.providers.base import Completion, OnText, Question, estimate_tokens
from tasks.providers.http import Answer, Endpoint, bad_answer


class OpenAIAdapter:
    """POST {base_url}/chat/completions."""

    def __init__(self, endpoint: Endpoint, key: str | None) -> None:
        self._endpoint = endpoint
        self._headers = {"authorization": f"Bearer {key}"} if key else {}

    def body(self, question: Question) -> dict[str, JsonValue]:
        """The request's JSON; `max_completion_tokens` is the present name of max_tokens."""
        messages: list[JsonValue] = [{"role": turn.role, "content": turn.text} for turn in question.turns]
        if question.system is not None:
            messages.insert(0, {"role": "system", "content": question.system})
        body: dict[str, JsonValue] = {
            "model": question.target,
            "messages": messages,
            "max_completion_tokens": question.max_tokens,
        }
        return body if question.temperature is None else body | {"temperature": question.temperature}

    async def send(self, body: dict[str, JsonValue], tag: str, on_text: OnText | None = None) -> Completion:
        """Ask once. Raises ProviderError."""
        answer = await self._endpoint.post("/chat/completions", self._headers | {"x-client-request-id": tag}, body)
        try:
            reply = _Reply.model_validate(answer.data)
        except ValidationError as error:
            raise bad_answer(f"the answer breaks the wire format: {_first(error)}", answer.status) from error
        completion = _completion(reply, body, answer)
        if on_text is not None:
            on_text(str(completion.answer))
        return completion


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _PromptDetails(BaseModel):
    cached_tokens: int | None = Field(default=None, ge=0)
    cache_write_tokens: int | None = Field(default=None, ge=0)


class _Usage(BaseModel):
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    prompt_tokens_details: _PromptDetails | None = None


class _Reply(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


def _completion(reply: _Reply, body: dict[str, JsonValue], answer: Answer) -> Completion:
    choice = reply.choices[0]
    refused = choice.message.refusal is not None or choice.finish_reason == "content_filter"
    text = choice.message.refusal if choice.message.refusal is not None else choice.message.content
    if text is None and not refused:
        raise bad_answer("the answer has neither content nor a refusal", answer.status)
    return Completion(
        answer=text or "",
        usage=_usage(reply.usage, body, text or ""),
        finish_reason=choice.finish_reason,
        status=answer.status,
        request_id=answer.headers.get("x-request-id"),
        refused=refused,
    )


def _usage(usage: _Usage | None, body: dict[str, JsonValue], text: str) -> Usage:
    """prompt_tokens counts cached ones too, completion_tokens counts reasoning too (OpenAI SDK, type docstrings)."""
    if usage is None:
        return Usage(input=estimate_tokens(str(body["messages"])), output=estimate_tokens(text), estimated=True)
    details = usage.prompt_tokens_details or _PromptDetails()
    return Usage(
        input=usage.prompt_tokens,
        output=usage.completion_tokens,
        cached=details.cached_tokens or 0,
        cache_write=details.cache_write_tokens or 0,
    )


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    return f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
