"""A question as OpenAI's chat completions take it."""

from __future__ import annotations

import base64

from pydantic import JsonValue

from mirepoix.errors import PipelineError
from tasks.providers.base import File, Question, Tool, ToolCall, Turn, as_arguments
from tasks.providers.closed_schema import close_for_openai

Body = dict[str, JsonValue]


def build_body(question: Question) -> Body:
    """`max_completion_tokens` is the present name of max_tokens. Raises PipelineError for a file it cannot hold."""
    messages: list[JsonValue] = [_message(turn) for turn in question.turns]
    if question.system is not None:
        messages.insert(0, {"role": "system", "content": question.system})
    options: Body = {
        "temperature": question.temperature,
        "top_p": question.top_p,
        "stop": list(question.stop) or None,
        "seed": question.seed,
        "logprobs": True if question.logprobs else None,
        "tools": [_tool(tool) for tool in question.tools] or None,
        "tool_choice": _tool_choice(question) if question.tools else None,
        "response_format": None if question.schema is None else _response_format(question),
    }
    body: Body = {"model": question.target, "messages": messages, "max_completion_tokens": question.max_tokens}
    return body | {key: value for key, value in options.items() if value is not None}


def _message(turn: Turn) -> JsonValue:
    if turn.answers is not None:
        return {"role": "tool", "tool_call_id": turn.answers.id, "content": turn.text}
    if turn.calls:
        return {"role": turn.role, "content": turn.text or None, "tool_calls": [_call(call) for call in turn.calls]}
    if not turn.files:
        return {"role": turn.role, "content": turn.text}
    parts: list[JsonValue] = [_part(file) for file in turn.files]
    return {"role": turn.role, "content": [*parts, {"type": "text", "text": turn.text}]}


def _call(call: ToolCall) -> JsonValue:
    function: Body = {"name": call.name, "arguments": as_arguments(call.arguments)}
    return {"id": call.id, "type": "function", "function": function}


def _part(file: File) -> JsonValue:
    """A picture as `image_url`, plain text as text, any other document as `file`."""
    address = file.url or f"data:{file.media_type};base64,{file.data}"
    if file.media_type.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": address}}
    if file.url is not None:
        raise PipelineError(
            f"a document of type {file.media_type} cannot be sent to OpenAI as an address; give its data."
        )
    if file.media_type.startswith("text/"):
        return {"type": "text", "text": as_text(file)}
    return {"type": "file", "file": {"filename": file.name or "document", "file_data": address}}


def as_text(file: File) -> str:
    """A text file as a part of the conversation, under its name."""
    text = base64.b64decode(file.data or "").decode("utf-8", "replace")
    return f"{file.name}:\n\n{text}" if file.name else text


def _tool(tool: Tool) -> JsonValue:
    function: Body = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _tool_choice(question: Question) -> JsonValue:
    choice = question.tool_choice
    if choice in (None, "auto", "none", "required"):
        return choice
    return {"type": "function", "function": {"name": choice}}


def _response_format(question: Question) -> JsonValue:
    schema = question.schema or {}
    strict = close_for_openai(schema)
    sent: Body = {"name": "answer", "schema": schema if strict is None else strict, "strict": strict is not None}
    return {"type": "json_schema", "json_schema": sent}
