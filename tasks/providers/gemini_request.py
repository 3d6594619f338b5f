"""A question as Gemini's generateContent takes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby

from pydantic import JsonValue

from tasks.providers.base import File, Question, Tool, ToolCall, Turn
from tasks.providers.openai_request import Body

ROLES = {"user": "user", "assistant": "model"}
MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}


def build_body(question: Question) -> Body:
    """The request, with the `model` that becomes a part of its address."""
    settings: Body = {
        "maxOutputTokens": question.max_tokens,
        "temperature": question.temperature,
        "topP": question.top_p,
        "stopSequences": list(question.stop) or None,
        "seed": question.seed,
        "responseLogprobs": True if question.logprobs else None,
        "responseMimeType": None if question.schema is None else "application/json",
        "responseJsonSchema": question.schema,
    }
    options: Body = {
        "systemInstruction": None if question.system is None else {"parts": [{"text": question.system}]},
        "tools": [{"functionDeclarations": [_tool(tool) for tool in question.tools]}] if question.tools else None,
        "toolConfig": _tool_config(question) if question.tools and question.tool_choice else None,
    }
    body: Body = {
        "model": question.target,
        "contents": list(_contents(question.turns)),
        "generationConfig": {key: value for key, value in settings.items() if value is not None},
    }
    return body | {key: value for key, value in options.items() if value is not None}


def _contents(turns: tuple[Turn, ...]) -> Iterator[JsonValue]:
    """What tools gave stands together, as the calls stood."""
    for of_tools, run in groupby(turns, lambda turn: turn.answers is not None):
        if of_tools:
            yield {
                "role": "user",
                "parts": [_response(turn.answers, turn.text) for turn in run if turn.answers is not None],
            }
        else:
            yield from map(_content, run)


def _content(turn: Turn) -> JsonValue:
    said: list[JsonValue] = [{"text": turn.text}] if turn.text or not turn.calls else []
    calls: list[JsonValue] = [{"functionCall": {"name": call.name, "args": call.as_object}} for call in turn.calls]
    return {"role": ROLES[turn.role], "parts": [*(_part(file) for file in turn.files), *said, *calls]}


def _response(call: ToolCall, given: str) -> JsonValue:
    """What a tool gave, which must be an object; Gemini finds the call by its name."""
    try:
        value = json.loads(given)
    except ValueError:
        value = None
    response = value if isinstance(value, dict) else {"result": given}
    return {"functionResponse": {"name": call.name, "response": response}}


def _part(file: File) -> JsonValue:
    if file.url is not None:
        return {"fileData": {"mimeType": file.media_type, "fileUri": file.url}}
    return {"inlineData": {"mimeType": file.media_type, "data": file.data}}


def _tool(tool: Tool) -> JsonValue:
    return {"name": tool.name, "description": tool.description, "parametersJsonSchema": tool.parameters}


def _tool_config(question: Question) -> JsonValue:
    choice = question.tool_choice or "auto"
    if choice in MODES:
        return {"functionCallingConfig": {"mode": MODES[choice]}}
    return {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [choice]}}
