"""What OpenAI's clients read: completions, chunks of one, and why there is none."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, JsonValue

from db.listing import Tokens
from mirepoix.states import ErrorKind, JobState
from mirepoix.views import JobView

CUT_OFF = frozenset({"length", "max_tokens", "MAX_TOKENS", "model_context_window_exceeded"})
FAILURES: dict[str, int] = {
    ErrorKind.BUDGET: 402,
    ErrorKind.PRIVACY: 403,
    ErrorKind.DEADLINE: 504,
    ErrorKind.REFUSED: 422,
    ErrorKind.TEMPLATE: 422,
    ErrorKind.PIPELINE: 422,
    ErrorKind.BAD_REQUEST: 422,
}
FAILED = 502
CANCELLED = 409

Finish = Literal["stop", "length", "tool_calls"]


class CalledFunction(BaseModel):
    """A function and its arguments, as JSON text."""

    name: str
    arguments: str


class ToolCall(BaseModel):
    """A call that the model asks for."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class Said(BaseModel):
    """The answer; an output that is no text stands as its JSON."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: None = None
    tool_calls: list[ToolCall] | None = None


class Choice(BaseModel):
    """The only one."""

    index: Literal[0] = 0
    message: Said
    finish_reason: Finish
    logprobs: None = None


class PromptDetails(BaseModel):
    """Of the prompt's tokens, those that a provider had cached."""

    cached_tokens: int


class Usage(BaseModel):
    """The tokens of all calls of the job."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails


class ChatCompletion(BaseModel):
    """An answer; its `id` is `chatcmpl-` and the job's."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage


@dataclass(frozen=True, slots=True)
class Answered:
    """How the job ended, in OpenAI's words."""

    said: Said
    finish: Finish
    usage: Usage


def answered(view: JobView, tokens: Tokens, *, with_tools: bool) -> Answered:
    """The answer of a job that succeeded."""
    usage = Usage(
        prompt_tokens=tokens.input,
        completion_tokens=tokens.output,
        total_tokens=tokens.input + tokens.output,
        prompt_tokens_details=PromptDetails(cached_tokens=tokens.cached),
    )
    calls = _tool_calls(view.output) if with_tools else None
    if calls and isinstance(view.output, dict):
        return Answered(Said(content=str(view.output["text"]) or None, tool_calls=calls), "tool_calls", usage)
    finish: Finish = "length" if tokens.finish_reason in CUT_OFF else "stop"
    return Answered(Said(content=as_content(view.output)), finish, usage)


def as_content(output: JsonValue) -> str:
    """An output as a message's text."""
    return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)


def status_of(view: JobView) -> int:
    """The status that tells of a job without an answer."""
    return CANCELLED if view.state is JobState.CANCELLED else FAILURES.get(view.error_kind or "", FAILED)


def why(view: JobView) -> str:
    """What is said of it."""
    return f"job {view.job} {view.state.value}{f': {view.error}' if view.error else '.'}"


def _tool_calls(output: JsonValue) -> list[ToolCall]:
    """`{text, tool_calls: [{id, name, arguments}]}` is how a call with tools answers where the model asks for some."""
    found = output.get("tool_calls") if isinstance(output, dict) else None
    calls: list[ToolCall] = []
    for number, call in enumerate(found if isinstance(found, list) else []):
        if isinstance(call, dict):
            arguments = call.get("arguments")
            text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
            function = CalledFunction(name=str(call.get("name")), arguments=text)
            calls.append(ToolCall(id=str(call.get("id") or f"call_{number}"), function=function))
    return calls
