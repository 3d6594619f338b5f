"""Anthropic messages: the wire format of `POST /v1/messages`, as the official
SDK's types and recorded traffic show it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

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
from emulator.tokens import Ending
from emulator.waits import rfc3339
from emulator.wire import ApiError, Ask, Json, JsonWish, Message, Reply

ORGANIZATION = "00000000-0000-4000-8000-000000000000"

_STOP_REASONS = {Ending.DONE: "end_turn", Ending.STOP_SEQUENCE: "stop_sequence", Ending.LENGTH: "max_tokens"}


class AnthropicMessages(AnthropicErrors):
    """Reads messages requests and writes their answers and errors."""

    api: WireApi = "anthropic"
    content_key = "content"

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
        if request.stream:
            raise invalid("stream: true is not emulated")
        if request.thinking and request.thinking.get("type") == "enabled":
            raise invalid("thinking.type: enabled is not emulated")
        return Ask(
            model=request.model,
            messages=_messages(request),
            max_tokens=request.max_tokens,
            stop_sequences=tuple(request.stop_sequences or ()),
            json_wish=_json_wish(request),
        )

    def write(self, ask: Ask, reply: Reply) -> Json:
        """A `message` object; a forced tool that was cut short has an empty input."""
        stop_reason = _STOP_REASONS[reply.ended.ending]
        content: dict[str, Any] = {"type": "text", "text": reply.ended.text}
        if ask.json_wish is not None and ask.json_wish.tool is not None:
            tool_input = {} if reply.instance is None else reply.instance
            content = {
                "type": "tool_use",
                "id": new_id("toolu_01", 22),
                "name": ask.json_wish.tool,
                "input": tool_input,
            }
            stop_reason = stop_reason if reply.ended.ending is Ending.LENGTH else "tool_use"
        return {
            "id": new_id("msg_01", 22),
            "type": "message",
            "role": "assistant",
            "model": ask.model,
            "content": [content],
            "stop_reason": stop_reason,
            "stop_sequence": reply.ended.stop_sequence,
            "stop_details": None,
            "usage": _usage(reply),
        }

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


def _json_wish(request: MessagesRequest) -> JsonWish | None:
    choice = request.tool_choice
    if choice is not None and choice.type in ("tool", "any"):
        tool = _chosen_tool(request.tools or [], choice.name if choice.type == "tool" else None)
        name = f"tools.{(request.tools or []).index(tool)}.input_schema"
        return JsonWish(tool.input_schema, name=name, tool=tool.name)
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


def _usage(reply: Reply) -> dict[str, Any]:
    return {
        "input_tokens": reply.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": reply.output_tokens,
        "output_tokens_details": {"thinking_tokens": 0},
        "service_tier": "standard",
        "inference_geo": "not_available",
    }
