"""OpenAI chat completions: the wire format of `POST /v1/chat/completions`, as the
official SDK's types and recorded traffic show it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from emulator.closed_schema import objects_in
from emulator.content import text_of
from emulator.ids import new_id
from emulator.limits import Level
from emulator.openai_answer import chunks, completion
from emulator.openai_errors import OpenAIErrors
from emulator.openai_request import INVALID_REQUEST, ChatMessage, ChatRequest, Function, NamedTool, read_chat_request
from emulator.profiles import ModelProfile, WireApi
from emulator.tools import named_tool
from emulator.waits import go_duration
from emulator.wire import ApiError, Ask, Event, Json, JsonWish, Message, Reply, Streamed

VERSION = "2020-10-01"
RELEASED = 1_767_225_600  # 2026-01-01: when every model here was created
ANY_OBJECT = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}


class OpenAIChat(OpenAIErrors):
    """Reads chat completion requests and writes their answers and errors."""

    api: WireApi = "openai"
    content_key = "choices"
    usage_key = "usage"

    def key(self, headers: Mapping[str, str]) -> str | None:
        """What follows `Bearer` in the Authorization header."""
        scheme, _, key = headers.get("authorization", "").partition(" ")
        return key.strip() or None if scheme.casefold() == "bearer" else None

    def read(self, body: Json, headers: Mapping[str, str]) -> Ask:
        """Validate a decoded body; raises ApiError."""
        request = read_chat_request(body)
        _refuse_what_is_not_emulated(request)
        messages = tuple(_message(message) for message in request.messages)
        return Ask(
            model=request.model,
            messages=messages,
            max_tokens=request.max_completion_tokens or request.max_tokens,
            stop_sequences=tuple(request.stop or ()),
            json_wish=_tool_wish(request) or _json_wish(request, messages),
            streams=bool(request.stream),
            tells_usage=bool(request.stream_options and request.stream_options.include_usage),
            top_logprobs=(request.top_logprobs or 0) if request.logprobs else None,
        )

    def write(self, ask: Ask, reply: Reply) -> Json:
        """A `chat.completion` object."""
        return completion(ask, reply)

    def stream(self, ask: Ask, reply: Reply) -> Streamed:
        """`chat.completion.chunk` objects, and `[DONE]`."""
        return chunks(ask, reply)

    def error_event(self, error: ApiError, request_id: str) -> Event:
        """An object with an `error`; OpenRouter's has a number as its code."""
        return Event(self.write_error(error, request_id))

    def write_error(self, error: ApiError, request_id: str) -> Json:
        """The error object, always of four keys."""
        return {"error": {"message": error.message, "type": error.kind, "param": error.param, "code": error.code}}

    def request_id(self) -> str:
        """What `x-request-id` says."""
        return new_id("req_", 32)

    def headers(self, request_id: str, seconds: float) -> dict[str, str]:
        """The headers of every answer of the API itself."""
        return {
            "x-request-id": request_id,
            "openai-processing-ms": str(round(seconds * 1000)),
            "openai-version": VERSION,
            "openai-organization": "mirepoix-emulator",
        }

    def rate_headers(self, levels: Iterable[Level]) -> dict[str, str]:
        """How much is left of each limit."""
        headers: dict[str, str] = {}
        for level in levels:
            headers[f"x-ratelimit-limit-{level.unit}"] = str(level.limit)
            headers[f"x-ratelimit-remaining-{level.unit}"] = str(level.remaining)
            headers[f"x-ratelimit-reset-{level.unit}"] = go_duration(level.reset)
        return headers


def list_models(profiles: Iterable[ModelProfile]) -> Json:
    """The body of `GET /v1/models`."""
    data = [
        {"id": profile.name, "object": "model", "created": RELEASED, "owned_by": "mirepoix-emulator"}
        for profile in profiles
        if profile.api == OpenAIChat.api
    ]
    return {"object": "list", "data": data}


def _refuse_what_is_not_emulated(request: ChatRequest) -> None:
    if (request.n or 1) > 1:
        text = "Unsupported value: this value of 'n' is not emulated."
        raise ApiError(400, INVALID_REQUEST, text, param="n", code="unsupported_value")


def _message(message: ChatMessage) -> Message:
    text = text_of(message.content)
    if message.role in ("system", "developer"):
        return Message("system", text)
    return Message("assistant" if message.role == "assistant" else "user", text)


def _json_wish(request: ChatRequest, messages: Iterable[Message]) -> JsonWish | None:
    asked = request.response_format
    if asked is None or asked.type == "text":
        return None
    if asked.json_schema is not None and asked.type == "json_schema":
        if asked.json_schema.strict:
            _check_strict(asked.json_schema.schema_, f"response_format '{asked.json_schema.name}'")
        return JsonWish(asked.json_schema.schema_, name=f"response_format '{asked.json_schema.name}'")
    if not any("json" in message.text.casefold() for message in messages):
        form = "to use 'response_format' of type 'json_object'."
        text = f"'messages' must contain the word 'json' in some form, {form}"
        raise ApiError(400, INVALID_REQUEST, text, param="messages")
    return JsonWish(ANY_OBJECT, name="json_object")


def _tool_wish(request: ChatRequest) -> JsonWish | None:
    """The call of a tool: the one that must be called, or the one that the user's last message names."""
    functions = {tool.function.name: tool.function for tool in request.tools or () if tool.function is not None}
    for function in functions.values():
        if function.strict:
            _check_strict(function.parameters, f"function '{function.name}'")
    choice = request.tool_choice
    if isinstance(choice, NamedTool):
        return _call(functions[choice.function.name], is_forced=True)
    last = request.messages[-1]
    name = named_tool(functions, text_of(last.content)) if last.role == "user" and choice != "none" else None
    if name is None and choice == "required":
        name = next(iter(functions))
    return None if name is None else _call(functions[name], is_forced=False)


def _call(function: Function, *, is_forced: bool) -> JsonWish:
    name = f"function '{function.name}'"
    return JsonWish(function.parameters, name=name, tool=function.name, is_forced=is_forced)


def _check_strict(asked: Json, name: str) -> None:
    """The rules of `strict: true`: an object at the top, closed objects, and all properties required."""
    kind = asked.get("type")
    if kind != "object":
        text = f"""schema must be a JSON Schema of 'type: "object"', got 'type: "{kind}"'."""
        raise OpenAIChat().bad_schema(name, text)
    for path, schema in objects_in(asked):
        if schema.get("additionalProperties") is not False:
            text = f"In context={path!r}, 'additionalProperties' is required to be supplied and to be false."
            raise OpenAIChat().bad_schema(name, text)
        missing = next((each for each in schema.get("properties", {}) if each not in schema.get("required", ())), None)
        if missing is not None:
            text = (
                f"In context={path!r}, 'required' is required to be supplied and to be an array including "
                f"every key in properties. Missing '{missing}'."
            )
            raise OpenAIChat().bad_schema(name, text)
