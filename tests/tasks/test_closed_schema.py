"""Schemas that providers can enforce: what fits the closed form fits the original."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field

from tasks.providers.closed_schema import close_for_anthropic, close_for_openai


class Line(BaseModel):
    """A part of what a model may be asked for."""

    text: str
    amount: float | None = None
    below: list[Line] = []


class Invoice(BaseModel):
    """What a model may be asked for."""

    number: str = Field(min_length=3, pattern=r"^\d+$")
    lines: list[Line]
    note: str = Field(default="", description="Anything else.")


def objects(schema: Any) -> list[dict[str, Any]]:
    """All object schemas in `schema`, at whatever depth."""
    if isinstance(schema, list):
        return [found for part in schema for found in objects(part)]
    if not isinstance(schema, dict):
        return []
    mine = [schema] if schema.get("type") == "object" else []
    return mine + [found for part in schema.values() for found in objects(part)]


def test_a_pydantic_model_becomes_strict_all_the_way_down() -> None:
    closed = close_for_openai(Invoice.model_json_schema())
    assert closed is not None
    assert len(objects(closed)) == 2
    for part in objects(closed):
        assert part["additionalProperties"] is False
        assert part["required"] == list(part["properties"])
    number = closed["properties"]["number"]
    assert (number["pattern"], number["description"]) == (r"^\d+$", "(minLength: 3)")
    assert "minLength" not in number
    assert "default" not in str(closed)
    assert closed["properties"]["note"]["description"] == "Anything else."
    Draft202012Validator.check_schema(closed)


def test_anthropic_keeps_what_is_optional_and_is_told_of_bounds_in_words() -> None:
    closed = close_for_anthropic(Invoice.model_json_schema())
    assert closed is not None
    assert closed["required"] == ["number", "lines"]
    assert closed["properties"]["number"].keys() == {"type", "title", "description"}
    assert closed["properties"]["number"]["description"] == r'(minLength: 3, pattern: "^\\d+$")'
    assert all(part["additionalProperties"] is False for part in objects(closed))


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "array", "items": {"type": "string"}},
        {"type": "object"},
        {"type": "object", "additionalProperties": True, "properties": {}},
        {"type": "object", "properties": {"a": {"type": "object", "additionalProperties": {"type": "string"}}}},
        {"type": "object", "properties": {"a": {"oneOf": [{"type": "string"}]}}},
        {"type": "object", "properties": {"a": {"not": {"type": "string"}}}},
        {"type": "object", "properties": {"a": True}},
        {"type": "object", "patternProperties": {"^a": {}}, "properties": {}},
        {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "object"}}}},
    ],
)
def test_what_cannot_be_closed_is_not(schema: dict[str, Any]) -> None:
    assert close_for_openai(schema) is None
    assert close_for_anthropic(schema) is None


def test_a_schema_nested_without_end_is_not_followed() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(5_000):
        schema = {"type": "object", "properties": {"a": schema}}
    assert close_for_openai(schema) is None


VALUES = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=3))
EITHER = {"anyOf": [{"type": "null"}, {"type": "boolean"}]}
LEAVES = st.sampled_from([{"type": "string"}, {"type": "integer", "minimum": 0}, {"enum": ["a", 1]}, EITHER])
NAMES = st.sampled_from("abc")


def object_schema(parts: dict[str, Any], required: set[str]) -> dict[str, Any]:
    return {"type": "object", "properties": parts, "required": sorted(required & parts.keys())}


SCHEMAS = st.recursive(
    LEAVES,
    lambda below: st.one_of(
        st.builds(object_schema, st.dictionaries(NAMES, below, max_size=3), st.sets(NAMES)),
        st.builds(lambda items: {"type": "array", "items": items}, below),
    ),
    max_leaves=6,
)
DOCUMENTS = st.recursive(
    VALUES, lambda below: st.one_of(st.dictionaries(NAMES, below, max_size=3), st.lists(below, max_size=2))
)


@given(st.dictionaries(NAMES, SCHEMAS, max_size=3), st.sets(NAMES), st.dictionaries(NAMES, DOCUMENTS, max_size=3))
def test_what_fits_the_strict_form_fits_the_original(
    parts: dict[str, Any], required: set[str], document: dict[str, Any]
) -> None:
    schema = object_schema(parts, required)
    closed = close_for_openai(schema)
    assert closed is not None
    if Draft202012Validator(closed).is_valid(document):
        assert Draft202012Validator(schema).is_valid(document)
