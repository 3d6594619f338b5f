"""The same for each item of a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from mirepoix.spec.node import Node

if TYPE_CHECKING:
    from mirepoix.spec import Pipeline


class Map(Node):
    """Do the same for each item `over` a template that gives a JSON list or lines; the answers form a list."""

    kind: Literal["map"] = "map"
    over: str = "{{ previous }}"
    each: Pipeline
    max_items: int = Field(default=100, ge=1, le=1000)
