"""The body of an OpenAI responses request, checked as the API checks it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emulator.openai_request import describe, invalid
from emulator.wire import Json

LEAST_OUTPUT = 16
UNREAD = frozenset(
    [
        "background",
        "conversation",
        "metadata",
        "moderation",
        "parallel_tool_calls",
        "prompt",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning",
        "safety_identifier",
        "service_tier",
        "store",
        "stream_options",
        "truncation",
        "user",
    ]
)
"""Parameters of the real API (openai 3.57) that change nothing here."""


class Item(BaseModel):
    """A message, a call of a function, or what the function said; reasoning is taken and not read."""

    type: str = "message"
    role: Literal["user", "assistant", "system", "developer"] | None = None
    content: str | list[dict[str, Any]] | None = None
    arguments: str | None = None
    output: str | list[dict[str, Any]] | None = None


class Format(BaseModel):
    """`text.format`."""

    model_config = ConfigDict(strict=True)

    type: Literal["text", "json_object", "json_schema"]
    name: str = "response"
    schema_: dict[str, Any] = Field(default={}, alias="schema")
    strict: bool | None = None


class Text(BaseModel):
    """`text`; `verbosity` changes nothing here."""

    format: Format | None = None


class Tool(BaseModel):
    """A tool; those that are no functions are never called here."""

    model_config = ConfigDict(strict=True)

    type: str
    name: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ResponsesRequest(BaseModel):
    """What the emulator reads of a request."""

    model_config = ConfigDict(strict=True)

    model: str
    input: str | list[Item]
    instructions: str | None = None
    max_output_tokens: int | None = Field(default=None, ge=LEAST_OUTPUT)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    include: list[str] | None = None
    text: Text | None = None
    tools: list[Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    stream: bool | None = None
    previous_response_id: str | None = None


def read_responses_request(body: Json) -> ResponsesRequest:
    """Validate a decoded body; raises ApiError for the first thing wrong with it."""
    if not isinstance(body, dict):
        raise invalid("Invalid type for 'body': expected an object.", None, "invalid_type")
    for name in ("model", "input"):
        if not body.get(name):
            raise invalid(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
    try:
        request = ResponsesRequest.model_validate(body)
    except ValidationError as error:
        raise describe(error.errors()[0]) from error
    known = ResponsesRequest.model_fields.keys() | UNREAD
    unknown = next((name for name in body if name not in known), None)
    if unknown is not None:
        raise invalid(f"Unknown parameter: '{unknown}'.", unknown, "unknown_parameter")
    if request.previous_response_id is not None:
        text = f"Previous response with id '{request.previous_response_id}' not found."
        raise invalid(text, "previous_response_id", "previous_response_not_found")
    return request
