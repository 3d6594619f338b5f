"""JSON Schemas as providers can enforce them: every object closed, and only the keywords that they know.

OpenAI (strict) wants all properties required; Anthropic lets them be optional. Both refuse a request whose schema says
more than they can hold an answer to, so what they do not know is left out; the answer is checked against the whole
schema by whoever asked for it.
"""

from __future__ import annotations

import json
from typing import Any

ANNOTATIONS = frozenset({"title", "description"})
SHAPE = ANNOTATIONS | {"type", "properties", "required", "additionalProperties", "items", "anyOf", "enum", "const"}
REFERENCES = frozenset({"$ref", "$defs", "definitions"})
BOUNDS = frozenset(
    {"pattern", "format", "multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
    | {"minItems", "maxItems"}
)
"""What OpenAI enforces beyond the shape (platform.openai.com, structured outputs)."""
LEFT_OUT = (
    frozenset(
        {"$schema", "$id", "$comment", "default", "examples", "deprecated", "readOnly", "writeOnly"}
        | {"minLength", "maxLength", "uniqueItems"}
    )
    | BOUNDS
)
"""Left out where it is not enforced: the shape of an answer does not change with it."""
TOLD = BOUNDS | {"minLength", "maxLength", "uniqueItems"}
"""Told to the model in words where it is left out, as Anthropic's own SDK does."""
MOST_LEVELS = 100


class CannotBeClosed(Exception):
    """The schema needs what a closed one cannot say, such as properties of any name."""


def close_for_openai(schema: dict[str, Any]) -> dict[str, Any] | None:
    """The strict form of `schema`, or None where it has none: then it can only be sent with `strict: false`."""
    return _closed_root(schema, keep=BOUNDS, all_required=True)


def close_for_anthropic(schema: dict[str, Any]) -> dict[str, Any] | None:
    """`schema` as `output_config.format` takes it, or None where it cannot."""
    return _closed_root(schema, keep=frozenset(), all_required=False)


def _closed_root(schema: dict[str, Any], *, keep: frozenset[str], all_required: bool) -> dict[str, Any] | None:
    if schema.get("type") != "object":
        return None
    try:
        closed = _closed(schema, SHAPE | REFERENCES | keep, all_required, MOST_LEVELS)
    except CannotBeClosed:
        return None
    return closed if isinstance(closed, dict) else None


def _closed(schema: Any, known: frozenset[str], all_required: bool, levels: int) -> Any:
    if not isinstance(schema, dict) or levels == 0:
        raise CannotBeClosed
    if "$ref" in schema:
        return {"$ref": schema["$ref"]} | _definitions(schema, known, all_required, levels)
    if schema.keys() - known - LEFT_OUT:
        raise CannotBeClosed
    closed = {key: value for key, value in schema.items() if key in known} | _told(schema, known)
    for key in ("items", "anyOf"):
        if key in closed:
            below = closed[key]
            parts = below if isinstance(below, list) else [below]
            each = [_closed(part, known, all_required, levels - 1) for part in parts]
            closed[key] = each if key == "anyOf" else each[0]
    if _is_object(closed):
        closed |= _closed_object(closed, known, all_required, levels)
    return closed | _definitions(schema, known, all_required, levels)


def _told(schema: dict[str, Any], known: frozenset[str]) -> dict[str, str]:
    """A description that tells the model of the bounds that are left out."""
    told = [f"{key}: {json.dumps(value)}" for key, value in schema.items() if key in TOLD and key not in known]
    if not told:
        return {}
    description = schema.get("description")
    return {"description": " ".join([*([str(description)] if description else []), f"({', '.join(told)})"])}


def _closed_object(schema: dict[str, Any], known: frozenset[str], all_required: bool, levels: int) -> dict[str, Any]:
    properties = schema.get("properties")
    if not isinstance(properties, dict) or schema.get("additionalProperties") not in (None, False):
        raise CannotBeClosed
    required = list(properties) if all_required else [name for name in schema.get("required", []) if name in properties]
    return {
        "properties": {name: _closed(part, known, all_required, levels - 1) for name, part in properties.items()},
        "required": required,
        "additionalProperties": False,
    }


def _definitions(schema: dict[str, Any], known: frozenset[str], all_required: bool, levels: int) -> dict[str, Any]:
    return {
        key: {name: _closed(part, known, all_required, levels - 1) for name, part in schema[key].items()}
        for key in ("$defs", "definitions")
        if isinstance(schema.get(key), dict)
    }


def _is_object(schema: dict[str, Any]) -> bool:
    kind = schema.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in schema
