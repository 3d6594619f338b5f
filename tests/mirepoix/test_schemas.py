"""Schemas as pipelines hold them, and values that may or may not fit, some of both hostile."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from mirepoix import Call
from mirepoix.config_file import parse_config
from mirepoix.errors import ConfigError
from mirepoix.schemas import find_flaws, read_schema
from mirepoix.schemas.validity import Endless
from mirepoix.spec import dump, parse, version

HERE = __name__
DOUBLING = {f"n{level}": {"allOf": [{"$ref": f"#/$defs/n{level + 1}"}] * 2} for level in range(40)} | {"n40": {}}
EXPRESSION = {
    "$ref": "#/$defs/e",
    "$defs": {
        "e": {
            "anyOf": [
                {"type": "object", "properties": {"op": {"const": op}, "of": {"$ref": "#/$defs/e"}}, "required": ["of"]}
                for op in "abc"
            ]
        }
    },
}


class Mood(BaseModel):
    """A class that a pipeline may name."""

    mood: str
    strength: int | None = None


def test_a_class_by_its_path_is_the_class_and_part_of_the_version() -> None:
    by_path = parse({"call": {"model": "a", "schema": f"{HERE}:Mood"}})
    assert isinstance(by_path, Call)
    assert by_path.schema_ == Mood.model_json_schema()
    assert parse(dump(by_path)) == by_path
    other = parse({"call": {"model": "a", "schema": {"type": "object"}}})
    assert len({version(by_path), version(other), version(parse({"call": {"model": "a"}}))}) == 3


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ("nowhere", "`module:Class`"),
        ("no.such:Thing", "cannot be imported"),
        (f"{HERE}:HERE", "no pydantic class"),
        ({"type": "objct"}, "at type: 'objct' is not valid"),
        ({"$ref": "https://example.org/schema.json"}, "another document"),
        ({"$ref": "#/$defs/nowhere"}, "PointerToNowhere"),
        ({"$ref": "#"}, "circles"),
        ({"$ref": "#/$defs/n0", "$defs": DOUBLING}, "checks are needed"),
        ({"pattern": "(?=a)b"}, "look-around"),
        ({"enum": ["x" * 300_000]}, "200,000 bytes"),
        ([], "is a JSON Schema"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_with_the_reason(schema: object, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        read_schema(schema)


def test_the_configuration_says_where_a_bad_schema_stands() -> None:
    text = "providers: {o: {api: openai}}\nmodels: {a: {provider: o}}\npipelines:\n  p:\n    call:\n      model: a\n"
    with pytest.raises(ConfigError, match=r"yaml:7: pipelines\.p\.call\.schema: .*no\.such"):
        parse_config(text + "      schema: no.such:Thing\n")
    with pytest.raises(ConfigError, match="'reask' goes with a schema"):
        parse_config(text + "      reask: 1\n")


@pytest.mark.parametrize(
    ("schema", "value", "fits"),
    [
        ({"format": "date-time"}, "2026-11-25T10:00:00Z", True),
        ({"format": "date-time"}, "yesterday", False),
        ({"format": "date"}, "2026-02-30", False),
        ({"format": "email"}, "nobody", False),
        ({"pattern": "^é+$"}, "éé", True),
        ({"pattern": "."}, "\ud800", False),
        ({"uniqueItems": True}, [1, True, "1", [1], {"a": 1}], True),
        ({"uniqueItems": True}, [{"a": [1, 2.0]}, {"a": [1.0, 2]}], False),
        ({"patternProperties": {"^x": {"type": "integer"}}, "additionalProperties": False}, {"xa": 1}, True),
        ({"patternProperties": {"^x": {"type": "integer"}}, "additionalProperties": False}, {"a": 1}, False),
        ({"additionalProperties": {"type": "integer"}, "properties": {"a": {}}}, {"a": "", "b": ""}, False),
    ],
)
def test_keywords_that_are_checked_in_our_own_way(schema: dict[str, Any], value: object, fits: bool) -> None:
    assert (find_flaws(schema, value) == []) is fits


def test_hostile_answers_to_an_honest_schema_come_to_an_end() -> None:
    start = time.process_time()
    nested: object = "x"
    for _ in range(40):
        nested = {"op": "z", "of": nested}
    with pytest.raises(Endless, match="checks are needed"):
        find_flaws(read_schema(EXPRESSION), nested)
    assert find_flaws({"pattern": "^(a+)+$"}, "a" * 1_000_000 + "!")
    assert find_flaws({"uniqueItems": True}, [[number] for number in range(20_000)]) == []
    with pytest.raises(Endless, match="cannot be checked"):
        find_flaws({"multipleOf": 0.1}, 10**400)
    assert time.process_time() - start < 8


SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "ab"])
VALUES = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from("abx"), below), max_leaves=6
)
SCHEMAS = st.recursive(
    st.sampled_from(
        [{}, {"type": "integer"}, {"type": "string", "minLength": 1}, {"enum": [None, 1, "a"]}, {"pattern": "^a"}]
    ),
    lambda below: st.one_of(
        st.builds(lambda one: {"items": one, "uniqueItems": True}, below),
        st.builds(lambda one, two: {"properties": {"a": one}, "additionalProperties": two}, below, below),
        st.builds(lambda one, two: {"anyOf": [one, two]}, below, below),
        st.builds(lambda one: {"patternProperties": {"^a|x": one}, "additionalProperties": False}, below),
    ),
    max_leaves=5,
)


@given(SCHEMAS, VALUES)
def test_within_its_bounds_it_says_what_jsonschema_says(schema: dict[str, Any], value: object) -> None:
    assert (find_flaws(schema, value) == []) == Draft202012Validator(schema).is_valid(value)
