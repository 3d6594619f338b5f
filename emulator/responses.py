"""OpenAI responses: the wire format of `POST /v1/responses`, as the official SDK's types and recorded traffic show it.

An answer repeats much of its request, so there is one of these for each request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emulator.openai import ANY_OBJECT, OpenAIChat, check_strict
from emulator.openai_request import INVALID_REQUEST, invalid
from emulator.responses_answer import events, response
from emulator.responses_request import Item, ResponsesRequest, Tool, read_responses_request
from emulator.tools import named_tool
from emulator.wire import ApiError, Ask, Event, Json, JsonWish, Message, Reply, Role, Streamed

LOGPROBS = "message.output_text.logprobs"
NO_PARAMETERS = {"type": "object", "properties": {}}
_DEFAULTS: dict[str, Json] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""What an answer says of the request where that says nothing."""


class OpenAIResponses(OpenAIChat):
    """Reads one responses request and writes its answer or error."""

    content_key = "output"

    def __init__(self) -> None:
        self._echo = _DEFAULTS

    def read(self, body: Json, headers: Mapping[str, str]) -> Ask:
        """Validate a decoded body; raises ApiError."""
        request = read_responses_request(body)
        self._echo = {name: body.get(name, default) for name, default in _DEFAULTS.items()}
        self._echo["tools"] = [{"strict": True, **tool} for tool in body.get("tools") or []]
        return Ask(
            model=request.model,
            messages=tuple(_messages(request)),
            max_tokens=request.max_output_tokens,
            json_wish=_tool_wish(request) or _json_wish(request),
            streams=bool(request.stream),
            top_logprobs=(request.top_logprobs or 0) if LOGPROBS in (request.include or ()) else None,
        )

    def write(self, ask: Ask, reply: Reply) -> Json:
        """A `response` object."""
        return response(ask, reply, self._echo)

    def stream(self, ask: Ask, reply: Reply) -> Streamed:
        """Events from `response.created` on; no `[DONE]`."""
        return events(ask, reply, self._echo)

    def error_event(self, error: ApiError, request_id: str) -> Event:
        """An event called `error`, whose members stand on their own."""
        told = {"code": error.code, "message": error.message, "param": error.param}
        return Event({"type": "error", "sequence_number": 0, **told}, "error")

    def unknown_model(self, name: str) -> ApiError:
        """No model goes by that name: here it is a 400 (recorded traffic)."""
        text = f"The requested model '{name}' does not exist."
        return ApiError(400, INVALID_REQUEST, text, param="model", code="model_not_found")


def _messages(request: ResponsesRequest) -> list[Message]:
    system = [] if request.instructions is None else [Message("system", request.instructions)]
    if isinstance(request.input, str):
        return [*system, Message("user", request.input)]
    return [*system, *(_message(item) for item in request.input)]


def _message(item: Item) -> Message:
    if item.type == "function_call":
        return Message("assistant", item.arguments or "")
    said = item.output if item.type == "function_call_output" else item.content
    roles: dict[str | None, Role] = {"assistant": "assistant", "system": "system", "developer": "system"}
    role = roles.get(item.role, "user")
    if isinstance(said, str):
        return Message(role, said)
    parts: list[dict[str, Any]] = said or []
    texts = [str(part.get("text", part.get("refusal", ""))) for part in parts]
    files = tuple(str(part["type"]) for part in parts if part.get("type") in ("input_image", "input_file"))
    return Message(role, "\n".join(filter(None, texts)), files)


def _json_wish(request: ResponsesRequest) -> JsonWish | None:
    asked = request.text.format if request.text is not None else None
    if asked is None or asked.type == "text":
        return None
    if asked.type == "json_object":
        return JsonWish(ANY_OBJECT, name="json_object")
    name = f"response_format '{asked.name}'"
    if asked.strict:
        check_strict(asked.schema_, name)
    return JsonWish(asked.schema_, name=name)


def _tool_wish(request: ResponsesRequest) -> JsonWish | None:
    """The call of a function: the one that must be called, or the one that the user's last message names."""
    functions = {tool.name: tool for tool in request.tools or () if tool.type == "function" and tool.name}
    for name, function in functions.items():
        if function.strict:
            check_strict(function.parameters or {}, f"function '{name}'")
    choice = request.tool_choice or "auto"
    if isinstance(choice, dict):
        chosen = choice.get("name")
        if chosen not in functions:
            raise invalid(f"Tool choice '{chosen}' not found in 'tools' parameter.", "tool_choice", None)
        return _call(functions[chosen], is_forced=True)
    named = named_tool(functions, _last_said(request)) if choice != "none" else None
    if named is None and choice == "required":
        named = next(iter(functions), None)
    return None if named is None else _call(functions[named], is_forced=False)


def _last_said(request: ResponsesRequest) -> str:
    """What the user said last; what a function said calls no other."""
    if isinstance(request.input, str):
        return request.input
    last = request.input[-1]
    return _message(last).text if last.role == "user" else ""


def _call(function: Tool, *, is_forced: bool) -> JsonWish:
    schema = NO_PARAMETERS if function.parameters is None else function.parameters
    return JsonWish(schema, name=f"function '{function.name}'", tool=function.name, is_forced=is_forced)
