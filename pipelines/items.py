"""Find the items that a map runs over."""

from __future__ import annotations

import json

from pydantic import JsonValue

from mirepoix.errors import PipelineError
from mirepoix.spec import Map
from pipelines.chunks import split_text


def items_of(node: Map, text: str) -> list[JsonValue]:
    """What the map runs over, given the text that its `over` makes. Raises PipelineError."""
    if node.split is None:
        return parse_items(text, node.max_items)
    pieces = split_text(text, node.split.tokens, node.split.overlap)
    if len(pieces) > node.max_items:
        raise PipelineError(f"the text to map over makes {len(pieces)} pieces; max_items is {node.max_items}.")
    return list(pieces)


def parse_items(text: str, most: int) -> list[JsonValue]:
    """A JSON list, or else the lines that are not empty; raises PipelineError when there are more than `most`."""
    stripped = text.strip()
    items: list[JsonValue]
    if stripped.startswith("["):
        try:
            items = json.loads(stripped)
        except (ValueError, RecursionError) as error:
            raise PipelineError(f"the list to map over is not valid JSON: {error}.") from error
    else:
        items = [line.strip() for line in stripped.splitlines() if line.strip()]
    if len(items) > most:
        raise PipelineError(f"the list to map over has {len(items)} items; max_items is {most}.")
    return items
