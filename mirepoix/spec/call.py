"""One question to one model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mirepoix.spec.node import Node


class Call(Node):
    """One question to one model. `prompt` and `system` are sandboxed templates.

    `max_tokens` bounds the answer, `timeout` the seconds that one attempt may take (at the most its provider's).
    """

    kind: Literal["call"] = "call"
    model: str
    prompt: str = "{{ previous }}"
    system: str | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, gt=0)
    timeout: float | None = Field(default=None, gt=0, le=3600)
