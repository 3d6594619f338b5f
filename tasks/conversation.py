"""Earlier turns and files out of a job's input, which anybody may have written.

A message of an error names the place and what is wrong, never what stands there.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError, model_validator

from mirepoix.errors import PipelineError
from tasks.providers.base import File, Turn

MAX_TURNS = 1_000
MAX_FILES = 100
"""Anthropic takes so many pictures in a request, Gemini and OpenAI more."""
MAX_FILE_BYTES = 20_000_000
"""All files of a call together, decoded; Gemini's bound for what is sent along with a request."""


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


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    role: Literal["user", "assistant"]
    content: str
    files: list[JsonValue] | None = None


_MESSAGES = TypeAdapter(Annotated[list[_Message], Field(max_length=MAX_TURNS)])
_FILES = TypeAdapter(Annotated[list[_File], Field(max_length=MAX_FILES)])


def parse_messages(value: JsonValue) -> tuple[Turn, ...]:
    """`[{role: user|assistant, content: text, files?}]` as turns; None and an empty list are none at all.

    Raises PipelineError.
    """
    try:
        messages = _MESSAGES.validate_python(value or [])
    except ValidationError as error:
        raise PipelineError(_said("messages", error)) from error
    return tuple(Turn(message.role, message.content, parse_files(message.files)) for message in messages)


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
