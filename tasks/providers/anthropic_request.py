"""A question as Anthropic's messages take it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from pydantic import JsonValue

from mirepoix.config import ANTHROPIC_WITHOUT_SAMPLING
from tasks.providers.base import File, Question, Tool, ToolCall, Turn
from tasks.providers.closed_schema import close_for_anthropic
from tasks.providers.openai_request import Body, as_text

CHOICES = {"auto": "auto", "none": "none", "required": "any"}


def build_body(question: Question, version: str) -> Body:
    """The system prompt stands at the top level. `seed` is not known there, sampling no longer from `version` on.

    Both are left out rather than refused, since the model may be the fallback of one that takes them.
    """
    sampling = version < ANTHROPIC_WITHOUT_SAMPLING
    closed = None if question.schema is None else close_for_anthropic(question.schema)
    options: Body = {
        "system": question.system,
        "temperature": None if question.temperature is None or not sampling else min(question.temperature, 1.0),
        "top_p": question.top_p if sampling else None,
        "stop_sequences": list(question.stop) or None,
        "tools": [_tool(tool) for tool in question.tools] or None,
        "tool_choice": _tool_choice(question) if question.tools else None,
        "output_config": None if closed is None else {"format": {"type": "json_schema", "schema": closed}},
    }
    body: Body = {
        "model": question.target,
        "max_tokens": question.max_tokens,
        "messages": list(_messages(question.turns)),
    }
    return body | {key: value for key, value in options.items() if value is not None}


def _messages(turns: tuple[Turn, ...]) -> Iterator[JsonValue]:
    """What tools gave stands together in one message of the user, as it is asked for."""
    for of_tools, run in groupby(turns, lambda turn: turn.answers is not None):
        if of_tools:
            yield {
                "role": "user",
                "content": [_result(turn.answers, turn.text) for turn in run if turn.answers is not None],
            }
        else:
            yield from map(_message, run)


def _result(call: ToolCall, given: str) -> JsonValue:
    return {"type": "tool_result", "tool_use_id": call.id, "content": given}


def _use(call: ToolCall) -> JsonValue:
    """A call that the model asked for; its input must be an object."""
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": call.as_object}


def _message(turn: Turn) -> JsonValue:
    if turn.calls:
        said: list[JsonValue] = [{"type": "text", "text": turn.text}] if turn.text else []
        return {"role": turn.role, "content": [*said, *map(_use, turn.calls)]}
    if not turn.files:
        return {"role": turn.role, "content": turn.text}
    blocks: list[JsonValue] = [_block(file) for file in turn.files]
    return {"role": turn.role, "content": [*blocks, {"type": "text", "text": turn.text}]}


def _block(file: File) -> JsonValue:
    """Pictures and PDFs as bytes or address; what is text as a document of text."""
    kind = "image" if file.media_type.startswith("image/") else "document"
    if file.url is not None:
        source: Body = {"type": "url", "url": file.url}
    elif file.media_type.startswith("text/"):
        source = {"type": "text", "media_type": "text/plain", "data": as_text(File(file.media_type, file.data))}
    else:
        source = {"type": "base64", "media_type": file.media_type, "data": file.data}
    titled: Body = {"title": file.name[:255]} if file.name and kind == "document" else {}
    block: Body = {"type": kind, "source": source}
    return block | titled


def _tool(tool: Tool) -> JsonValue:
    return {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}


def _tool_choice(question: Question) -> JsonValue:
    choice = question.tool_choice
    if choice is None or choice in CHOICES:
        return None if choice is None else {"type": CHOICES[choice]}
    return {"type": "tool", "name": choice}
