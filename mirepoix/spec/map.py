"""The same for each item of a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from mirepoix.spec.node import Node
from mirepoix.strict import Strict

if TYPE_CHECKING:
    from mirepoix.spec import Pipeline


class Split(Strict):
    """Cut a long text into pieces of at most `tokens` tokens (estimated), each beginning `overlap` tokens early."""

    tokens: int = Field(ge=20, le=1_000_000)
    overlap: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _moves_on(self) -> Self:
        if 2 * self.overlap > self.tokens:
            raise ValueError(f"an overlap of {self.overlap} tokens is more than half of a piece of {self.tokens}.")
        return self


class Map(Node):
    """Do the same for each item `over` a template that gives a JSON list or lines; the answers form a list.

    With `split` the items are the pieces of the text that `over` gives. `at_once` bounds how many items are in work at
    a time. `min_success` items must answer (default: all); the answer of one that failed is null.
    """

    kind: Literal["map"] = "map"
    over: str = "{{ previous }}"
    each: Pipeline
    split: Split | None = None
    max_items: int = Field(default=100, ge=1, le=1000)
    at_once: int | None = Field(default=None, ge=1, le=1000)
    min_success: int | None = Field(default=None, ge=0)
