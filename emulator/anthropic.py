"""Anthropic messages: the wire format of `POST /v1/messages`, as the official
SDK's types and recorded traffic show it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from emulator.anthropic_answer import events, message
from emulator.anthropic_errors import AnthropicErrors
from emulator.anthropic_request import (
    VERSIONS,
    MessagesRequest,
    Tool,
    invalid,
    read_messages_request,
)
from emulator.closed_schema import objects_in
from emulator.content import text_of
from emulator.ids import new_id
from emulator.limits import Level
from emulator.profiles import WireApi
from emulator.tools import named_tool
from emulator.waits import rfc3339
from emulator.wire import ApiError, Ask, Event, Json, JsonWish, Message, Reply, Streamed

ORGANIZATION = "00000000-0000-4000-8000-000000000000"


class AnthropicMessages(AnthropicErrors):
    """Reads messages requests and writes their answers and errors."""

    api: WireApi = "anthropic"
    content_key = "content"
    usage_key = "usage"

    def key(self, headers: Mapping[str, str]) -> str | None:
        """`x-api-key`, which wins, or what follows `Bearer` in the Authorization header."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        bearer = token.strip() if scheme.casefold() == "bearer" else ""
        return headers.get("x-api-key", "").strip() or bearer or None

    def read(self, body: Json, headers: Mapping[str, str]) -> Ask:
        """Validate a decoded body and the `anthropic-version` header; raises ApiError."""
        version = headers.get("anthropic-version")
        if version is None:
            raise invalid("anthropic-version: header is required")
        if version not in VERSIONS:
            raise invalid(f'anthropic-version: "{version}" is not a valid version')
        request = read_messages_request(body, version)
        if request.thinking and request.thinking.get("type") == "enabled":
            raise invalid("thinking.type: enabled is not emulated")
        return Ask(
            model=request.model,
            messages=_messages(request),
            max_tokens=request.max_tokens,
            stop_sequences=tuple(request.stop_sequences or ()),
            json_wish=_tool_wish(request) or _json_wish(request),
            streams=bool(request.stream),
        )

    def write(self, ask: Ask, reply: Reply) -> Json:
        """A `message` object."""
        return message(ask, reply)

    def stream(self, ask: Ask, reply: Reply) -> Streamed:
        """Events from `message_start` to `message_stop`."""
        return events(ask, reply)

    def error_event(self, error: ApiError, request_id: str) -> Event:
        """An event called `error`."""
        return Event(self.write_error(error, request_id), "error")

    def write_error(self, error: ApiError, request_id: str) -> Json:
        """The error object, with the id that the header tells too."""
        details = {} if error.code is None else {"details": {"error_code": error.code}}
        return {
            "type": "error",
            "error": {"type": error.kind, "message": error.message, **details},
            "request_id": request_id,
        }

    def request_id(self) -> str:
        """What `request-id` says."""
        return new_id("req_011C", 20)

    def headers(self, request_id: str, seconds: float) -> dict[str, str]:
        """The headers of every answer of the API itself."""
        return {"request-id": request_id, "anthropic-organization-id": ORGANIZATION}

    def rate_headers(self, levels: Iterable[Level]) -> dict[str, str]:
        """How much is left of each limit."""
        headers: dict[str, str] = {}
        for level in levels:
            headers[f"anthropic-ratelimit-{level.unit}-limit"] = str(level.limit)
            headers[f"anthropic-ratelimit-{level.unit}-remaining"] = str(level.remaining)
            headers[f"anthropic-ratelimit-{level.unit}-reset"] = rfc3339(level.reset)
        return headers


def _messages(request: MessagesRequest) -> tuple[Message, ...]:
    system = [Message("system", text_of(request.system))] if request.system else []
    return (*system, *(Message(message.role, text_of(message.content)) for message in request.messages))


def _tool_wish(request: MessagesRequest) -> JsonWish | None:
    """The call of a tool: the one that must be called, or the one that the user's last message names."""
    tools, choice = request.tools or [], request.tool_choice
    wanted = _named(request) if choice is None or choice.type in ("auto", "any") else None
    if choice is not None and choice.type in ("tool", "any"):
        tool = _chosen_tool(tools, choice.name if choice.type == "tool" else wanted)
    elif wanted is not None:
        tool = _chosen_tool(tools, wanted)
    else:
        return None
    return JsonWish(tool.input_schema, name=f"tools.{tools.index(tool)}.input_schema", tool=tool.name)


def _named(request: MessagesRequest) -> str | None:
    last = request.messages[-1]
    is_result = isinstance(last.content, list) and any(part.type == "tool_result" for part in last.content)
    if last.role != "user" or is_result:
        return None
    return named_tool((tool.name for tool in request.tools or () if tool.input_schema), text_of(last.content))


def _json_wish(request: MessagesRequest) -> JsonWish | None:
    if request.output_config is None or request.output_config.format is None:
        return None
    schema, name = request.output_config.format.schema_, "output_config.format.schema"
    for _, each in objects_in(schema):
        if each.get("additionalProperties") is not False:
            raise invalid(f"{name}: For 'object' type, 'additionalProperties' must be explicitly set to false")
    return JsonWish(schema, name=name)


def _chosen_tool(tools: list[Tool], name: str | None) -> Tool:
    chosen = next((tool for tool in tools if name is None or tool.name == name), None)
    if chosen is None:
        raise invalid("tools: Field required" if name is None else f"Tool '{name}' not found in provided tools")
    if chosen.input_schema is None:
        raise invalid(f"tool_choice: the tool {chosen.name!r} of the server itself is not emulated")
    return chosen
