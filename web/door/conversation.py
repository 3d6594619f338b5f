"""Make a job of a conversation: which pipeline runs, and on what input.

A pipeline that reads `input.text`, `input.messages`, `input.files` or `input.system` gets an object with those. Any
other takes a text: the user's only message, or, where more was said, the whole conversation written out.
"""

from __future__ import annotations

import json
import mimetypes
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic import JsonValue, ValidationError

from mirepoix.config import Config
from mirepoix.errors import InputError, NotFound, PipelineError
from mirepoix.schemas import read_schema
from mirepoix.spec import Call, Pipeline
from mirepoix.strict import unknown
from pipelines.answering import answering_in, input_fields
from web.door.chat_request import (
    NOT_DONE,
    ChatRequest,
    FilePart,
    JsonFormat,
    MadeCall,
    Message,
    SchemaFormat,
    TextPart,
    ToolChoice,
)
from web.errors import Refusal

ANY_IMAGE = "image/jpeg"
"""What a picture is called whose address does not say; providers look for themselves."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be submitted; `with_tools`: the answer may be calls of tools."""

    spec: Pipeline
    input: JsonValue
    with_tools: bool = False


@dataclass(frozen=True, slots=True)
class _Talk:
    """A conversation in parts: the last message is `text` with `files`; both are empty after a tool's last word."""

    system: str
    earlier: list[dict[str, JsonValue]]
    text: str
    files: list[dict[str, JsonValue]]

    def written_out(self) -> str:
        """All that was said, as one text."""
        turns = [_line(turn) for turn in self.earlier]
        last = [self.text] if self.text or not turns else []
        lines = [*turns, *(f"user: {text}" for text in last)] if turns else last
        return "\n\n".join([*([self.system] if self.system else []), *lines])


def asked_of(config: Config, request: ChatRequest) -> Asked:
    """The job that `request` stands for. Raises Refusal, InputError, PipelineError, NotFound."""
    _require_possible(request)
    talk = _talk(request.messages)
    if request.model in config.pipelines:
        return _of_pipeline(request, config.pipelines[request.model], talk)
    if request.model in config.models:
        return _of_model(request, talk)
    raise NotFound(unknown(f"model {request.model!r}", request.model, [*config.pipelines, *config.models]))


def _of_pipeline(request: ChatRequest, spec: Pipeline, talk: _Talk) -> Asked:
    for given, param in ((request.tools, "tools"), (request.tool_choice, "tool_choice")):
        if given:
            raise Refusal(400, "a pipeline has tools of its own; give a model's name to offer it yours.", param=param)
    schema = _schema(request)
    if schema is not None:
        try:
            spec = answering_in(spec, schema)
        except PipelineError as error:
            raise Refusal(400, f"pipeline {request.model!r}: {error}", param="response_format") from error
    fields = input_fields(spec)
    with_files = talk.files or any("files" in turn for turn in talk.earlier)
    if with_files and not ({"files", "messages"} & fields):
        raise Refusal(400, f"pipeline {request.model!r} takes no pictures or documents.", param="messages")
    return Asked(spec, _input(talk, fields) if fields else talk.written_out())


def _input(talk: _Talk, fields: frozenset[str]) -> JsonValue:
    """What the pipeline reads apart stands apart; the rest of what was said stands in its text."""
    rest = _Talk("" if "system" in fields else talk.system, [] if "messages" in fields else talk.earlier, talk.text, [])
    given: dict[str, JsonValue] = {"text": rest.written_out()}
    if "system" in fields:
        given["system"] = talk.system
    if "messages" in fields:
        given["messages"] = list[JsonValue](talk.earlier)
    if "files" in fields:
        given["files"] = list[JsonValue](talk.files)
    return given


def _of_model(request: ChatRequest, talk: _Talk) -> Asked:
    given: dict[str, JsonValue] = {"text": talk.text}
    fields: dict[str, Any] = {"model": request.model, "prompt": "{{ input.text }}"}
    if talk.system:
        given["system"], fields["system"] = talk.system, "{{ input.system }}"
    if talk.earlier:
        given["messages"], fields["messages"] = list[JsonValue](talk.earlier), "input.messages"
    if talk.files:
        given["files"], fields["files"] = list[JsonValue](talk.files), "input.files"
    stop = [request.stop] if isinstance(request.stop, str) else request.stop
    tools = [
        {key: value for key, value in tool.function.model_dump().items() if value is not None}
        for tool in request.tools or []
    ]
    choice = request.tool_choice
    fields |= {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop": stop or None,
        "seed": request.seed,
        "max_tokens": request.max_completion_tokens or request.max_tokens,
        "schema": _schema(request),
        "tools": tools or None,
        "tool_choice": choice.function.name if isinstance(choice, ToolChoice) else choice,
    }
    try:
        call = Call.model_validate({key: value for key, value in fields.items() if value is not None})
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise Refusal(400, f"{where}: {problem['msg']}" if where else problem["msg"], param=where or None) from error
    return Asked(call, given, with_tools=bool(tools))


def _schema(request: ChatRequest) -> dict[str, Any] | None:
    match request.response_format:
        case SchemaFormat(json_schema=named):
            return _checked(named.schema_)
        case JsonFormat():
            return {"type": "object"}
        case _:
            return None


def _checked(schema: dict[str, Any]) -> dict[str, Any]:
    """As a call's own schema is checked: no reference that leads away, no pattern that takes for ever."""
    try:
        return read_schema(schema)
    except ValueError as error:
        raise Refusal(400, f"response_format: {error}", param="response_format") from error


def _talk(messages: list[Message]) -> _Talk:
    system = [_text(message) for message in messages if message.role in ("system", "developer")]
    _require_answered(messages)
    turns = [message for message in messages if message.role not in ("system", "developer")]
    if not turns or turns[-1].role not in ("user", "tool"):
        raise Refusal(400, "the last message must be the user's, or a tool's.", param="messages")
    joined = "\n\n".join(part for part in system if part.strip())
    if turns[-1].role == "tool":
        return _Talk(joined, [_turn(turn) for turn in turns], "", [])
    text, files = _text(turns[-1]), _files(turns[-1])
    if not text.strip() and not files:
        raise InputError("the last message is empty.")
    return _Talk(joined, [_turn(turn) for turn in turns[:-1]], text, files)


def _require_possible(request: ChatRequest) -> None:
    """Raise Refusal for a parameter that cannot be heeded and would change the answer."""
    for name, value in (request.model_extra or {}).items():
        if name in NOT_DONE and value is not None and value not in NOT_DONE[name]:
            raise Refusal(400, f"{name} cannot be heeded here; leave it out.", param=name, code="unsupported_parameter")


def _require_answered(messages: list[Message]) -> None:
    """Raise Refusal unless each call of a tool is answered right after it, and each answer is to such a call."""
    open_: list[str] = []
    for index, message in enumerate(messages):
        if message.role == "tool" and message.tool_call_id not in open_:
            raise Refusal(400, "no message right before it asks for that call.", param=f"messages.{index}.tool_call_id")
        if message.role == "tool":
            open_.remove(str(message.tool_call_id))
        elif open_:
            raise Refusal(400, f"the call {open_[0]!r} before it has no message of the role tool.", param="messages")
        open_ += [call.id for call in message.tool_calls or ()]
    if open_:
        raise Refusal(400, f"the call {open_[0]!r} has no message of the role tool.", param="messages")


def _turn(message: Message) -> dict[str, JsonValue]:
    turn: dict[str, JsonValue] = {"role": message.role, "content": _text(message)}
    if files := list[JsonValue](_files(message)):
        turn["files"] = files
    if message.tool_calls:
        turn["tool_calls"] = [_call(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        turn["tool_call_id"] = message.tool_call_id
    return turn


def _call(call: MadeCall) -> JsonValue:
    """As a call with tools answers: the arguments as an object, or as text where they are none."""
    try:
        arguments = json.loads(call.function.arguments)
    except (ValueError, RecursionError):
        arguments = None
    told = arguments if isinstance(arguments, dict) else call.function.arguments
    return {"id": call.id, "name": call.function.name, "arguments": told}


def _line(turn: dict[str, JsonValue]) -> str:
    """A turn as a line of a text."""
    calls = f"\n{json.dumps(turn['tool_calls'], ensure_ascii=False)}" if "tool_calls" in turn else ""
    return f"{turn['role']}: {turn['content']}{calls}"


def _text(message: Message) -> str:
    if not isinstance(message.content, list):
        return message.content or ""
    return "\n".join(part.text for part in message.content if isinstance(part, TextPart))


def _files(message: Message) -> list[dict[str, JsonValue]]:
    if not isinstance(message.content, list):
        return []
    return [
        _file(part.file.file_data, part.file.filename)
        if isinstance(part, FilePart)
        else _file(part.image_url.url, None)
        for part in message.content
        if not isinstance(part, TextPart)
    ]


def _file(url: str, name: str | None) -> dict[str, JsonValue]:
    named: dict[str, JsonValue] = {"name": name} if name else {}
    if url.startswith("data:"):
        kind, comma, data = url.removeprefix("data:").partition(",")
        media_type, _, encoding = kind.partition(";")
        if not comma or encoding.rpartition(";")[2] != "base64" or not media_type:
            raise Refusal(400, "a data URL is `data:TYPE;base64,DATA`.", param="messages")
        return {"media_type": media_type.lower(), "data": data, **named}
    if not url.startswith("https://"):
        raise Refusal(400, "a picture or document is a data URL, or for a picture an https URL.", param="messages")
    guessed = mimetypes.guess_type(urlsplit(url).path)[0]
    return {"media_type": guessed or ANY_IMAGE, "url": url, **named}
