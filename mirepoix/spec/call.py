"""One question to one model."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from mirepoix.schemas import read_schema
from mirepoix.spec.node import Node
from mirepoix.spec.tool import Tool
from mirepoix.strict import Strict, unknown

TOOL_CHOICES = ("auto", "none", "required")
Stop = Annotated[str, Field(min_length=1, max_length=200)]
REASKS = 2
LONGEST_TTL = 366 * 24 * 3600


class Cache(Strict):
    """Take the answer that the same request got within the last `ttl` seconds, in this pipeline and for this tenant."""

    ttl: float = Field(gt=0, le=LONGEST_TTL)


JsonSchema = Annotated[dict[str, Any], BeforeValidator(read_schema)]


class Call(Node):
    """One question to one model. `prompt` and `system` are sandboxed templates.

    `messages` and `files` are sandboxed expressions: `input.messages` for the turns before this one
    (`[{role, content}]`), `input.files` for what goes with the prompt (`[{media_type, data or url, name}]`).
    `max_tokens` bounds the answer, `timeout` the seconds that one attempt may take (at the most its provider's).
    With `tools` the model may ask for one; the answer then is `{text, tool_calls: [{id, name, arguments}]}`.
    `tool_choice` is `auto`, `none`, `required` or a tool's name. Sampling (`temperature`, `top_p`, `seed`) goes to the
    models that take it.

    With a `schema` (JSON Schema, or `module:Class` of a pydantic class) the answer is the JSON value that fits it. A
    model whose answer does not is asked again with the errors, `reask` times at the most (default 2); `repair: true`
    mends broken JSON first. `cache` lets the same request be answered from the ledger.
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
    schema_: JsonSchema | None = Field(default=None, alias="schema")
    reask: int | None = Field(default=None, ge=0, le=10)
    repair: bool | None = None
    cache: Cache | None = None

    @property
    def reasks(self) -> int:
        """How often a model is asked again whose answer does not fit the schema."""
        return REASKS if self.reask is None else self.reask

    @model_validator(mode="after")
    def _mends_towards_a_schema(self) -> Self:
        for key in ("reask", "repair"):
            if self.schema_ is None and getattr(self, key) is not None:
                raise ValueError(f"{key!r} goes with a schema.")
        return self

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
