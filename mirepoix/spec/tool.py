"""A function that a model may ask for."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from mirepoix.strict import Strict

NO_ARGUMENTS = {"type": "object", "properties": {}}


class Tool(Strict):
    """A tool as the providers know it; Mirepoix passes on that the model asks for it, and runs nothing.

    `parameters` is the JSON Schema of its arguments.
    """

    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")
    description: str = Field(default="", max_length=10_000)
    parameters: dict[str, Any] = Field(default_factory=lambda: dict(NO_ARGUMENTS))
