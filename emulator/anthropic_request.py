"""The body of an Anthropic messages request. The real API's errors read like pydantic's own, as here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from emulator.content import Content, TextPart, is_tag, text_of
from emulator.wire import ApiError, Json

INVALID_REQUEST = "invalid_request_error"
VERSIONS = ("2023-01-01", "2023-06-01", "2026-10-21")
WITHOUT_SAMPLING = "2026-10-21"
SAMPLING = ("temperature", "top_p", "top_k")
UNREAD = frozenset(
    [
        "cache_control",
        "container",
        "context_management",
        "diagnostics",
        "inference_geo",
        "mcp_servers",
        "metadata",
        "service_tier",
        "speed",
        "user_profile_id",
        "workspace_id",
    ]
)
"""Parameters of the real API (anthropic 2.13) that change nothing here."""


class InputMessage(BaseModel):
    """One message."""

    model_config = ConfigDict(strict=True)

    role: Literal["user", "assistant"]
    content: Content


class Tool(BaseModel):
    """A tool; the server's own tools have no `input_schema`."""

    model_config = ConfigDict(strict=True)

    name: str
    input_schema: dict[str, Any] | None = None


class ToolChoice(BaseModel):
    """Whether and which tool must be used."""

    model_config = ConfigDict(strict=True)

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None


class Format(BaseModel):
    """`output_config.format`."""

    model_config = ConfigDict(strict=True)

    type: Literal["json_schema"]
    schema_: dict[str, Any] = Field(alias="schema")


class OutputConfig(BaseModel):
    """`output_config`; `effort` and others change nothing here."""

    model_config = ConfigDict(strict=True)

    format: Format | None = None


def _parts(system: object) -> object:
    return [{"type": "text", "text": system}] if isinstance(system, str) else system


class MessagesRequest(BaseModel):
    """What the emulator reads of a request."""

    model_config = ConfigDict(strict=True)

    model: str = Field(min_length=1)
    messages: list[InputMessage]
    max_tokens: int = Field(ge=1)
    system: Annotated[list[TextPart] | None, BeforeValidator(_parts)] = None
    stop_sequences: list[str] | None = None
    stream: bool | None = None
    temperature: float | None = Field(default=None, ge=0, le=1)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, ge=0)
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None
    output_config: OutputConfig | None = None
    thinking: dict[str, Any] | None = None


def read_messages_request(body: Json, version: str) -> MessagesRequest:
    """Validate a body under an `anthropic-version`; raises ApiError for the first thing wrong with it."""
    if not isinstance(body, dict):
        raise invalid("Input should be a valid dictionary")
    _refuse_system_messages(body)
    try:
        request = MessagesRequest.model_validate(body)
    except ValidationError as error:
        raise _describe(error.errors()[0]) from error
    for name in body:
        known = name in MessagesRequest.model_fields or name in UNREAD
        if not known or (name in SAMPLING and version == WITHOUT_SAMPLING):
            raise invalid(f"{name}: Extra inputs are not permitted")
    _check_content(request)
    return request


def invalid(message: str) -> ApiError:
    """A 400 with this message."""
    return ApiError(400, INVALID_REQUEST, message)


def _refuse_system_messages(body: dict[str, Any]) -> None:
    messages = body.get("messages")
    listed = messages if isinstance(messages, list) else []
    if any(isinstance(message, dict) and message.get("role") == "system" for message in listed):
        raise invalid(
            'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, '
            'not "system" as an input message role.'
        )


def _check_content(request: MessagesRequest) -> None:
    if not request.messages:
        raise invalid("messages: at least one message is required")
    for index, message in enumerate(request.messages):
        last = index == len(request.messages) - 1
        if not message.content and not (last and message.role == "assistant"):
            text = "all messages must have non-empty content except for the optional final assistant message"
            raise invalid(f"messages.{index}: {text}")
        texts = [part.text for part in message.content if isinstance(part, TextPart)]
        if "" in texts:
            raise invalid("messages: text content blocks must be non-empty")
        if any(not text.strip() for text in texts) or (message.content and text_of(message.content).isspace()):
            raise invalid("messages: text content blocks must contain non-whitespace text")


def _describe(problem: ErrorDetails) -> ApiError:
    where = ".".join(str(part) for part in problem["loc"] if not is_tag(part))
    if where in ("temperature", "top_p") and problem["type"] in ("greater_than_equal", "less_than_equal"):
        return invalid(f"{where}: range: 0..1")
    text = "Input should be a valid list" if problem["type"] == "union_tag_not_found" else problem["msg"]
    return invalid(f"{where}: {text}")
