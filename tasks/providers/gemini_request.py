"""A question as Gemini's generateContent takes it."""

from __future__ import annotations

from pydantic import JsonValue

from tasks.providers.base import File, Question, Tool, Turn
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
        "contents": [_content(turn) for turn in question.turns],
        "generationConfig": {key: value for key, value in settings.items() if value is not None},
    }
    return body | {key: value for key, value in options.items() if value is not None}


def _content(turn: Turn) -> JsonValue:
    return {"role": ROLES[turn.role], "parts": [*(_part(file) for file in turn.files), {"text": turn.text}]}


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
