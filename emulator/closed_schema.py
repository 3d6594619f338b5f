"""The providers' rule for JSON schemas of answers: every object says that it has no other properties."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from emulator.wire import Json

Path = tuple[str | int, ...]


def objects_in(schema: Json, path: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every object schema in `schema` with the keys that lead to it, from the top."""
    if isinstance(schema, dict):
        if schema.get("type") == "object" or "properties" in schema:
            yield path, schema
        for key, below in schema.items():
            if key in ("properties", "$defs", "definitions") and isinstance(below, dict):
                for name, part in below.items():
                    yield from objects_in(part, (*path, key, name))
            elif key in ("items", "anyOf", "oneOf", "allOf", "prefixItems"):
                yield from objects_in(below, (*path, key))
    elif isinstance(schema, list):
        for index, part in enumerate(schema):
            yield from objects_in(part, (*path, index))
