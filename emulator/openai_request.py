"""The body of an OpenAI chat completion request, and the API's own words for what is wrong with one.

The texts of the errors are those that users of the real API quote in their bug reports.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, ValidationError
from pydantic_core import ErrorDetails

from emulator.content import Content, is_tag
from emulator.wire import ApiError, Json

INVALID_REQUEST = "invalid_request_error"
UNREAD = frozenset(
    [
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "metadata",
        "modalities",
        "moderation",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning_effort",
        "safety_identifier",
        "seed",
        "service_tier",
        "store",
        "user",
        "verbosity",
        "web_search_options",
    ]
)
"""Parameters of the real API (openai 3.57) that change nothing here."""


class ChatMessage(BaseModel):
    """One message; only an assistant's may have no content (when it called tools)."""

    model_config = ConfigDict(strict=True)

    role: Literal["system", "assistant", "user", "function", "tool", "developer"]
    content: Content | None = None


class JsonSchema(BaseModel):
    """`response_format.json_schema`."""

    model_config = ConfigDict(strict=True)

    name: str
    schema_: dict[str, Any] = Field(default={}, alias="schema")
    strict: bool | None = None


class ResponseFormat(BaseModel):
    """`response_format`."""

    model_config = ConfigDict(strict=True)

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class Function(BaseModel):
    """`tools[].function`; without parameters it takes none."""

    model_config = ConfigDict(strict=True)

    name: str = Field(min_length=1)
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})
    strict: bool | None = None


class Tool(BaseModel):
    """A tool; those that are no functions are never called here."""

    model_config = ConfigDict(strict=True)

    type: str
    function: Function | None = None


class FunctionName(BaseModel):
    """`tool_choice.function`."""

    model_config = ConfigDict(strict=True)

    name: str


class NamedTool(BaseModel):
    """The `tool_choice` of one function."""

    model_config = ConfigDict(strict=True)

    type: Literal["function"]
    function: FunctionName


class StreamOptions(BaseModel):
    """`stream_options`."""

    model_config = ConfigDict(strict=True)

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


def _listed(stop: object) -> object:
    return [stop] if isinstance(stop, str) else stop


def _kind_of_choice(choice: object) -> str:
    return "<tool>" if isinstance(choice, dict | NamedTool) else "<mode>"


ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("<mode>")] | Annotated[NamedTool, Tag("<tool>")],
    Discriminator(_kind_of_choice),
]


class ChatRequest(BaseModel):
    """What the emulator reads of a request."""

    model_config = ConfigDict(strict=True)

    model: str
    messages: list[ChatMessage] = Field(min_length=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    n: int | None = Field(default=None, ge=1, le=128)
    stop: Annotated[list[str] | None, BeforeValidator(_listed)] = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    response_format: ResponseFormat | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None


def read_chat_request(body: Json) -> ChatRequest:
    """Validate a decoded body; raises ApiError for the first thing wrong with it."""
    if not isinstance(body, dict):
        raise _invalid(
            f"Invalid type for 'body': expected an object, but got {_name(body)} instead.",
            None,
            "invalid_type",
        )
    if not body.get("model"):
        raise _invalid("you must provide a model parameter", None, None)
    try:
        request = ChatRequest.model_validate(body)
    except ValidationError as error:
        raise _describe(error.errors()[0]) from error
    unknown = next((name for name in body if name not in ChatRequest.model_fields and name not in UNREAD), None)
    if unknown is not None:
        raise _invalid(f"Unrecognized request argument supplied: {unknown}", None, None)
    for index, message in enumerate(request.messages):
        if message.content is None and message.role != "assistant":
            text = "Invalid value for 'content': expected a string, got null."
            raise _invalid(text, f"messages.[{index}].content", None)
    if (
        request.response_format
        and request.response_format.type == "json_schema"
        and not request.response_format.json_schema
    ):
        raise _missing("response_format.json_schema")
    _check_options(request)
    _check_tools(request)
    return request


def _check_options(request: ChatRequest) -> None:
    for option, given, of, enabled in (
        ("stream_options", request.stream_options, "stream", request.stream),
        ("top_logprobs", request.top_logprobs, "logprobs", request.logprobs),
    ):
        if given is not None and not enabled:
            raise _invalid(f"The '{option}' parameter is only allowed when '{of}' is enabled.", option, None)


def _check_tools(request: ChatRequest) -> None:
    if request.tool_choice is None:
        return
    if not request.tools:
        raise _invalid("'tool_choice' is only allowed when 'tools' are specified.", "tool_choice", None)
    names = [tool.function.name for tool in request.tools if tool.function is not None]
    if isinstance(request.tool_choice, NamedTool) and request.tool_choice.function.name not in names:
        text = f"Tool choice '{request.tool_choice.function.name}' not found in 'tools' parameter."
        raise _invalid(text, "tool_choice", None)
    if request.tool_choice == "required" and not names:
        raise _invalid("Tools that are no functions are not emulated.", "tools", "unsupported_value")


def _describe(problem: ErrorDetails) -> ApiError:
    param, kind, given = _param(problem["loc"]), problem["type"], problem["input"]
    if kind == "missing":
        return _missing(param)
    if kind == "too_short":
        text = "empty array. Expected an array with minimum length 1, but got an empty array instead."
        return _invalid(f"Invalid '{param}': {text}", param, "empty_array")
    if kind == "literal_error":
        supported = problem["ctx"]["expected"].replace(" or ", ", and ")
        return _invalid(f"Invalid value: '{given}'. Supported values are: {supported}.", param, "invalid_value")
    if kind in ("greater_than_equal", "less_than_equal"):
        return _out_of_bounds(problem, param)
    expected = _EXPECTED.get(kind, "a different value")
    return _invalid(
        f"Invalid type for '{param}': expected {expected}, but got {_name(given)} instead.",
        param,
        "invalid_type",
    )


def _out_of_bounds(problem: ErrorDetails, param: str) -> ApiError:
    low = problem["type"] == "greater_than_equal"
    limit = problem["ctx"]["ge" if low else "le"]
    number = "integer" if param in ("max_tokens", "max_completion_tokens", "n", "top_logprobs") else "decimal"
    side, sign = ("below minimum", ">=") if low else ("above maximum", "<=")
    text = f"{number} {side} value. Expected a value {sign} {limit:g}, but got {problem['input']} instead."
    return _invalid(f"Invalid '{param}': {text}", param, f"{number}_{'below_min' if low else 'above_max'}_value")


def _missing(param: str) -> ApiError:
    return _invalid(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")


def _invalid(message: str, param: str | None, code: str | None) -> ApiError:
    return ApiError(400, INVALID_REQUEST, message, param=param, code=code)


def _param(location: Sequence[int | str]) -> str:
    """`("messages", 0, "role")` as `messages[0].role`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location if not is_tag(part))
    return "".join(parts).removeprefix(".")


def _name(value: object) -> str:
    return "null" if value is None else _NAMES.get(type(value), "an object")


_NAMES = {
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    str: "a string",
    list: "an array",
    dict: "an object",
}
_EXPECTED = {
    "string_type": "a string",
    "int_type": "an integer",
    "float_type": "a decimal",
    "bool_type": "a boolean",
    "list_type": "an array of objects",
    "dict_type": "an object",
    "model_type": "an object",
    "union_tag_not_found": "one of a string or array of objects",
}
