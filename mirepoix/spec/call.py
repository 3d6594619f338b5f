"""One question to one model."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mirepoix.spec.node import Node
from mirepoix.spec.tool import Tool
from mirepoix.strict import unknown

TOOL_CHOICES = ("auto", "none", "required")
Stop = Annotated[str, Field(min_length=1, max_length=200)]


class Call(Node):
    """One question to one model. `prompt` and `system` are sandboxed templates.

    `messages` and `files` are sandboxed expressions: `input.messages` for the turns before this one
    (`[{role, content}]`), `input.files` for what goes with the prompt (`[{media_type, data or url, name}]`).
    `max_tokens` bounds the answer, `timeout` the seconds that one attempt may take (at the most its provider's).
    With `tools` the model may ask for one; the answer then is `{text, tool_calls: [{id, name, arguments}]}`.
    `tool_choice` is `auto`, `none`, `required` or a tool's name. Sampling (`temperature`, `top_p`, `seed`) goes to the
    models that take it.
    """

    kind: Literal["call"] = "call"
    model: str
    prompt: str = "{{ previous }}"
    system: str | None = None
    messages: str | None = Field(default=None, max_length=10_000)
    files: str | None = Field(default=None, max_length=10_000)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    stop: Annotated[tuple[Stop, ...], Field(min_length=1, max_length=4)] | None = None
    seed: int | None = Field(default=None, ge=-(2**31), lt=2**31)
    tools: Annotated[tuple[Tool, ...], Field(min_length=1, max_length=128)] | None = None
    tool_choice: str | None = None
    max_tokens: int | None = Field(default=None, gt=0)
    timeout: float | None = Field(default=None, gt=0, le=3600)

    @model_validator(mode="after")
    def _chooses_a_tool_there_is(self) -> Self:
        names = [tool.name for tool in self.tools or ()]
        if len(set(names)) < len(names):
            raise ValueError("two tools of a call have the same name.")
        if self.tool_choice is not None and self.tool_choice not in (*names, *TOOL_CHOICES):
            raise ValueError(unknown(f"tool_choice {self.tool_choice!r}", self.tool_choice, (*names, *TOOL_CHOICES)))
        if self.tool_choice is not None and not names:
            raise ValueError("tool_choice goes with tools.")
        return self
