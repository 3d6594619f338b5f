"""Earlier turns and files out of a job's input, which anybody may have written.

A message of an error names the place and what is wrong, never what stands there.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError, model_validator

from mirepoix.errors import PipelineError
from tasks.providers.base import File, ToolCall, Turn

MAX_TURNS = 1_000
MAX_CALLS = 128
MAX_FILES = 100
"""Anthropic takes so many pictures in a request, Gemini and OpenAI more."""
MAX_FILE_BYTES = 20_000_000
"""All files of a call together, decoded; Gemini's bound for what is sent along with a request."""

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    media_type: str = Field(pattern=r"^[a-z]{1,20}/[a-z0-9][a-z0-9.+-]{0,99}$")
    data: str | None = None
    url: str | None = Field(default=None, pattern=r"^https://[^\s/]+[^\s]*$", max_length=2_000)
    name: str | None = Field(default=None, max_length=255, pattern=r"^[^\x00-\x1f]*$")

    @model_validator(mode="after")
    def _has_one_source(self) -> _File:
        if (self.data is None) == (self.url is None):
            raise ValueError("give data (base64) or url, one of them")
        return self


class _Call(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    id: Name
    name: Name
    arguments: dict[str, JsonValue] | str


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    role: Literal["user", "assistant", "tool"]
    content: str
    files: list[JsonValue] | None = None
    tool_calls: Annotated[list[_Call], Field(max_length=MAX_CALLS)] | None = None
    tool_call_id: Name | None = None

    @model_validator(mode="after")
    def _has_what_its_role_says(self) -> _Message:
        if self.tool_calls and self.role != "assistant":
            raise ValueError("tool_calls are the assistant's")
        if (self.tool_call_id is not None) != (self.role == "tool"):
            raise ValueError("a message of the role tool, and no other, has a tool_call_id")
        return self


_MESSAGES = TypeAdapter(Annotated[list[_Message], Field(max_length=MAX_TURNS)])
_FILES = TypeAdapter(Annotated[list[_File], Field(max_length=MAX_FILES)])


def parse_messages(value: JsonValue) -> tuple[Turn, ...]:
    """`[{role: user|assistant|tool, content: text, files?, tool_calls?, tool_call_id?}]` as turns.

    `tool_calls` is `[{id, name, arguments}]`, as in the answer of a call with tools; a message of the role `tool` says
    what the call `tool_call_id` of an earlier message gave. None and an empty list are none at all.

    Raises PipelineError.
    """
    try:
        messages = _MESSAGES.validate_python(value or [])
    except ValidationError as error:
        raise PipelineError(_said("messages", error)) from error
    asked: dict[str, ToolCall] = {}
    turns: list[Turn] = []
    for index, message in enumerate(messages):
        calls = tuple(ToolCall(call.id, call.name, call.arguments) for call in message.tool_calls or ())
        answers = None if message.tool_call_id is None else asked.get(message.tool_call_id)
        if answers is None and message.role == "tool":
            raise PipelineError(f"messages.{index}.tool_call_id: no message before it asks for that call.")
        asked.update({str(call.id): call for call in calls})
        turns.append(Turn(message.role, message.content, parse_files(message.files), calls, answers))
    return tuple(turns)


def parse_files(value: JsonValue) -> tuple[File, ...]:
    """`[{media_type, data (base64) or url (https), name?}]` as files. Raises PipelineError."""
    try:
        files = _FILES.validate_python(value or [])
    except ValidationError as error:
        raise PipelineError(_said("files", error)) from error
    size = sum(_size(file.data, index) for index, file in enumerate(files) if file.data is not None)
    if size > MAX_FILE_BYTES:
        raise PipelineError(f"files: together they have {size:,} bytes; the limit is {MAX_FILE_BYTES:,}.")
    return tuple(File(file.media_type, file.data, file.url, file.name) for file in files)


def _size(data: str, index: int) -> int:
    """Bytes of what is decoded."""
    try:
        size = len(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError) as error:
        raise PipelineError(f"files.{index}.data: it is not base64.") from error
    if size == 0:
        raise PipelineError(f"files.{index}.data: the file is empty.")
    return size


def _said(what: str, error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in (what, *problem["loc"]))
    hint = " A system prompt stands in the call's `system`." if problem["loc"][-1:] == ("role",) else ""
    return f"{where}: {problem['msg']}.{hint}"
