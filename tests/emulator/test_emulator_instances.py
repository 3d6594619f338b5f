"""Structured output: instances of JSON schemas, by themselves and over both wire formats."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from emulator.answers import Answer
from emulator.bounds import UnusableSchema
from emulator.instances import make_instance

PARIS = Answer(text="Paris", asked="What is the capital of France?", confidence=0.83)
REPORT = Answer(
    text="Sales rose. Costs fell. Profit doubled.",
    asked="Summarise",
    confidence=0.6,
    sentences=("Sales rose.", "Costs fell.", "Profit doubled."),
)
STRICT: dict[str, Any] = {"type": "object", "additionalProperties": False}
TREE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "label": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            },
            "required": ["label", "children", "next"],
            "additionalProperties": False,
        }
    },
    "$ref": "#/$defs/node",
}


whole = st.integers(-50, 50)
few = st.integers(0, 3)
text_formats = st.sampled_from(["date", "date-time", "email", "uuid", "uri"])
scalars = st.one_of(
    st.builds(lambda low, more: {"type": "string", "minLength": low, "maxLength": low + 9 * more}, few, few),
    st.builds(lambda low, more: {"type": "integer", "minimum": low, "maximum": low + more}, whole, few),
    st.builds(lambda low: {"type": "integer", "exclusiveMinimum": low, "multipleOf": 3}, whole),
    st.builds(lambda low, more: {"minimum": low, "exclusiveMaximum": low + more}, whole, st.floats(0.1, 5)),
    st.builds(lambda high: {"type": "number", "maximum": high}, st.floats(-1e6, 1e6)),
    st.builds(lambda low: {"type": "number", "minimum": low, "multipleOf": 0.25}, whole),
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"type": ["null", "string"]}, {}, {"const": [1]}]),
    st.builds(lambda options: {"enum": options}, st.lists(st.text(max_size=5) | whole | st.none(), min_size=1)),
    st.builds(lambda form: {"type": "string", "format": form}, text_formats),
)


def containers(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    names = st.sampled_from(["answer", "summary", "confidence", "key_points", "n"])
    properties = st.dictionaries(names, inner, max_size=4)
    return st.one_of(
        st.builds(lambda of: {**STRICT, "properties": of, "required": list(of)}, properties),
        st.builds(lambda of: {"properties": of, "required": list(of)[:1], "maxProperties": 2}, properties),
        st.builds(lambda of, low, more: {"items": of, "minItems": low, "maxItems": low + more}, inner, few, few),
        st.builds(lambda one, other: {"anyOf": [one, other]}, inner, inner),
        st.builds(lambda of: {"type": "array", "prefixItems": [of], "items": False}, inner),
    )


schemas = st.recursive(scalars, containers, max_leaves=12)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(schemas, st.sampled_from([PARIS, REPORT]), st.floats(0, 1, exclude_max=True))
def test_every_instance_is_valid(schema: dict[str, Any], answer: Answer, luck: float) -> None:
    instance = make_instance(schema, answer, luck)
    Draft202012Validator(schema).validate(json.loads(json.dumps(instance)))


@pytest.mark.parametrize(
    ("schema", "answer", "expected"),
    [
        ({"properties": {"answer": {"type": "string"}}}, PARIS, {"answer": "Paris"}),
        ({"properties": {"confidence": {"type": "number", "maximum": 1}}}, PARIS, {"confidence": 0.83}),
        ({"properties": {"confidence": {"type": "integer", "maximum": 100}}}, PARIS, {"confidence": 83}),
        ({"properties": {"city": {"enum": ["Rome", "paris"]}}}, PARIS, {"city": "paris"}),
        ({"properties": {"question": {"type": "string"}}}, PARIS, {"question": PARIS.asked}),
        ({"properties": {"summary": {"type": "string"}}}, REPORT, {"summary": REPORT.text}),
        ({"properties": {"summary": {"type": "string", "maxLength": 7}}}, REPORT, {"summary": "Sales r"}),
        (
            {"properties": {"key_points": {"type": "array", "items": {"type": "string"}}}},
            REPORT,
            {"key_points": ["Sales rose.", "Costs fell.", "Profit doubled."]},
        ),
        ({"type": "integer"}, Answer(text="25", asked="", confidence=1), 25),
        ({"type": "boolean"}, Answer(text="No.", asked="", confidence=1), False),
    ],
)
def test_an_instance_tells_the_answer(schema: dict[str, Any], answer: Answer, expected: object) -> None:
    assert make_instance(schema, answer, 0.5) == expected


@pytest.mark.parametrize(
    "schema",
    [
        TREE,
        {
            "oneOf": [
                {"type": "integer", "minimum": 3, "maximum": 2},
                {"type": "string", "pattern": "^[A-Z]{3}-[0-9]+$"},
            ]
        },
        {
            "allOf": [{"$ref": "#/$defs/a"}, {"required": ["b"]}],
            "$defs": {"a": {"properties": {"b": {"type": "null"}}}},
        },
        {
            "type": "array",
            "items": {"type": "integer", "minimum": 1, "maximum": 4},
            "minItems": 4,
            "uniqueItems": True,
        },
        {"type": "object", "minProperties": 2, "additionalProperties": {"type": "integer"}},
        {"type": "number", "multipleOf": 0.1, "minimum": 0.25, "maximum": 2},
        {"type": "object", "properties": {"x": {"type": "string", "pattern": "^[a-z]{9}[0-9]{9}$"}}},
        True,
    ],
)
def test_less_common_schemas_are_met(schema: dict[str, Any] | bool) -> None:
    Draft202012Validator(schema).validate(make_instance(schema, REPORT, 0.5))


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "strong"}, "'strong' is not valid"),
        ({"$ref": "https://example.com/schema"}, "refers outside the schema"),
        (
            {"anyOf": [{"type": "null"}, {"$ref": "https://example.com/x"}], "not": {"type": "null"}},
            "refers outside",
        ),
        ({"$ref": "#/$defs/none"}, "refers to nothing"),
        ({"$ref": "#"}, "too deep"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "no whole number"),
        ({"type": "string", "minLength": 5, "maxLength": 4}, "minLength 5 cannot be met"),
        ({"type": "string", "minLength": 10**9}, "cannot be met"),
        ({"type": "array", "minItems": 10**9, "items": {"type": "null"}}, "too large"),
        ({"type": "string", "pattern": "^[a-z]{9}[0-9]{9}$"}, "finds no text for pattern"),
        ({"type": "string", "pattern": "["}, "'\\[' is not a 'regex'|unterminated character set"),
        ({"not": {}}, "cannot make an instance"),
        (False, "empty"),
    ],
)
def test_what_cannot_be_met_is_refused_with_the_reason(schema: dict[str, Any] | bool, reason: str) -> None:
    with pytest.raises(UnusableSchema, match=reason):
        make_instance(schema, PARIS, 0.5)


WIRE_SCHEMA = {
    **STRICT,
    "properties": {"answer": {"type": "string"}, "tags": {"type": "array", "items": {"enum": ["a", "b"]}}},
    "required": ["answer", "tags"],
}
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


def openai_body(schema: dict[str, Any]) -> dict[str, Any]:
    wanted = {"type": "json_schema", "json_schema": {"name": "reply", "schema": schema, "strict": True}}
    return {"model": "gpt-6-sol", "messages": QUESTION, "response_format": wanted}


def anthropic_body(schema: dict[str, Any]) -> dict[str, Any]:
    wanted = {"format": {"type": "json_schema", "schema": schema}}
    return {"model": "claude-sonnet-5-5", "max_tokens": 500, "messages": QUESTION, "output_config": wanted}


def test_openai_answers_in_the_schema(openai: httpx.Client) -> None:
    answer = openai.post("/v1/chat/completions", json=openai_body(WIRE_SCHEMA)).json()
    value = json.loads(answer["choices"][0]["message"]["content"])
    Draft202012Validator(WIRE_SCHEMA).validate(value)
    assert value["answer"] == "Paris"


def test_anthropic_answers_in_the_schema(anthropic: httpx.Client) -> None:
    answer = anthropic.post("/v1/messages", json=anthropic_body(WIRE_SCHEMA)).json()
    value = json.loads(answer["content"][0]["text"])
    Draft202012Validator(WIRE_SCHEMA).validate(value)
    assert value["answer"] == "Paris"


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "array"}, """schema must be a JSON Schema of 'type: "object"', got 'type: "array"'."""),
        (
            {"type": "object", "properties": {}},
            "In context=(), 'additionalProperties' is required to be supplied and to be false.",
        ),
        (
            {**STRICT, "properties": {"a": {**STRICT, "properties": {"b": {}}}}, "required": ["a"]},
            (
                "In context=('properties', 'a'), 'required' is required to be supplied and to be an array "
                "including every key in properties. Missing 'b'."
            ),
        ),
        (
            {
                **STRICT,
                "properties": {"a": {"type": "integer", "minimum": 2, "maximum": 1}},
                "required": ["a"],
            },
            "no whole number lies within its bounds.",
        ),
    ],
)
def test_openai_refuses_a_schema_it_cannot_follow(openai: httpx.Client, schema: dict[str, Any], reason: str) -> None:
    answer = openai.post("/v1/chat/completions", json=openai_body(schema))
    assert answer.status_code == 400
    assert answer.json()["error"] == {
        "message": f"Invalid schema for response_format 'reply': {reason}",
        "type": "invalid_request_error",
        "param": "response_format",
        "code": None,
    }


def test_anthropic_refuses_a_schema_that_cannot_be_met(anthropic: httpx.Client) -> None:
    answer = anthropic.post("/v1/messages", json=anthropic_body({"type": "integer", "minimum": 2, "maximum": 1}))
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "output_config.format.schema: no whole number lies within its bounds."
