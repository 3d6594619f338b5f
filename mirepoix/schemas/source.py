"""A schema as it is written in a pipeline: JSON Schema (draft 2020-12), or a pydantic class by import path."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic import BaseModel, PydanticUserError

from mirepoix.schemas.patterns import compile_pattern
from mirepoix.schemas.validity import Endless, find_flaws

MAX_BYTES = 200_000
MAX_DEPTH = 60
DATA = ("const", "enum", "default", "examples")
"""Keywords that hold values, not schemas."""
TRIALS: tuple[Any, ...] = (None, {}, [], "", 0)


def read_schema(given: object) -> dict[str, Any]:
    """The JSON Schema that `given` stands for: itself, or that of a pydantic class, or of one named `module:Class`.

    Raises ValueError for what is no schema, what is too large, what refers to other documents, and a `pattern` that
    takes more than linear time to match.
    """
    schema = _class_schema(given)
    try:
        size, depth = len(json.dumps(schema, allow_nan=False)), _depth(schema)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"the schema is not JSON: {error}.") from error
    if size > MAX_BYTES or depth > MAX_DEPTH:
        raise ValueError(
            f"a schema has at most {MAX_BYTES:,} bytes and {MAX_DEPTH} levels; this one {size:,}, {depth}."
        )
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        where = "/".join(str(part) for part in error.absolute_path) or "its top"
        raise ValueError(f"not a JSON Schema (draft 2020-12): at {where}: {error.message[:300]}.") from error
    _require_own_references(schema)
    _require_an_end(schema)
    return schema


def _class_schema(given: object) -> dict[str, Any]:
    if isinstance(given, str):
        given = _import_class(given)
    if isinstance(given, type) and issubclass(given, BaseModel):
        try:
            return given.model_json_schema()
        except PydanticUserError as error:
            raise ValueError(f"{given.__name__} has no JSON Schema: {error.message}.") from error
    if not isinstance(given, Mapping):
        raise ValueError("a schema is a JSON Schema, or `module:Class` of a pydantic class.")
    return dict(given)


def _import_class(path: str) -> type[BaseModel]:
    module, colon, name = path.partition(":")
    if not colon or not module or not name:
        raise ValueError(f"schema {path!r}: a pydantic class is named `module:Class`.")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"schema {path!r} cannot be imported: {error}.") from error
    if not (isinstance(found, type) and issubclass(found, BaseModel)):
        raise ValueError(f"schema {path!r} is no pydantic class.")
    return found


def _depth(value: object) -> int:
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        here, depth = waiting.pop()
        deepest = max(deepest, depth)
        if depth <= MAX_DEPTH:
            below = here.values() if isinstance(here, dict) else here if isinstance(here, (list, tuple)) else ()
            waiting.extend((part, depth + 1) for part in below)
    return deepest


def _require_own_references(schema: dict[str, Any]) -> None:
    for part in _objects(schema):
        for key in ("$ref", "$dynamicRef"):
            target = part.get(key)
            if isinstance(target, str) and not target.startswith("#"):
                raise ValueError(f"{key} {target!r} leads to another document; a schema refers to itself only (`#/…`).")
        if part is not schema and isinstance(part.get("$id"), str):
            raise ValueError("only the top of a schema may have an `$id`.")
        for pattern in _patterns(part):
            compile_pattern(pattern)


def _objects(value: object) -> Iterator[dict[str, Any]]:
    """Every object in a schema that may be a schema, or hold some by name."""
    if isinstance(value, dict):
        yield value
        for key, below in value.items():
            if key not in DATA:
                yield from _objects(below)
    elif isinstance(value, list):
        for below in value:
            yield from _objects(below)


def _patterns(part: dict[str, Any]) -> list[str]:
    pattern, keys = part.get("pattern"), part.get("patternProperties")
    return [*([pattern] if isinstance(pattern, str) else []), *(keys if isinstance(keys, dict) else [])]


def _require_an_end(schema: dict[str, Any]) -> None:
    """A reference that leads nowhere, or in a circle, shows as soon as a value comes by."""
    for value in TRIALS:
        try:
            find_flaws(schema, value, most=1)
        except Endless as error:
            raise ValueError(f"the schema cannot be applied: {error}.") from error
