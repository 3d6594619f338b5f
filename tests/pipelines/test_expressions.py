"""Sandboxed expressions: JSON out of JSON, and nothing else."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from mirepoix.config import Config
from mirepoix.errors import PipelineError
from mirepoix.spec import parse
from pipelines.check import check_pipeline
from pipelines.templates import evaluate

INPUT: dict[str, JsonValue] = {
    "text": "hi",
    "messages": [{"role": "user", "content": "A"}, {"role": "tool", "content": "B"}],
    "files": [],
}
VALUES: dict[str, JsonValue] = {"input": INPUT, "previous": "p", "steps": {"read": {"n": 1}}}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("input.messages", INPUT["messages"]),
        ("input.files", []),
        ("input.missing | default([])", []),
        ("previous.files | default([])", []),
        ("input.messages | selectattr('role', 'equalto', 'user')", [{"role": "user", "content": "A"}]),
        ("[{'role': 'user', 'content': input.text | upper}]", [{"role": "user", "content": "HI"}]),
        ("input.messages[-1].content ~ '!'", "B!"),
        ("steps.read.n + 1", 2),
        ("none", None),
        ("range(3) | list", [0, 1, 2]),
        ('{"a": {"b": 1.5, "c": true}}', {"a": {"b": 1.5, "c": True}}),
    ],
)
def test_an_expression_gives_values_of_json(expression: str, value: JsonValue) -> None:
    assert evaluate(expression, VALUES) == value


def test_what_it_gives_is_a_copy() -> None:
    given = evaluate("input.messages", VALUES)
    assert given == INPUT["messages"]
    assert given is not INPUT["messages"]


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("input.mesages", "has no attribute 'mesages'"),
        ("nothing", "'nothing' is undefined"),
        ("previous.files", "has no attribute 'files'"),
        ("''.__class__.__mro__", "unsafe"),
        ("input.messages.append(1)", "unsafe"),
        ("input.__init__", "unsafe"),
        ("input.items", "which is no JSON"),
        ("input.messages | map(attribute='oops')", "oops"),
        ("range(200000) | list", "Range too big"),
        ("(range(90000) | list) + (range(90000) | list)", "more than 100,000 values"),
        ("1 / 0", "division by zero"),
        ("input +", "unexpected"),
    ],
)
def test_what_an_expression_may_not(expression: str, says: str) -> None:
    with pytest.raises(PipelineError, match=says):
        evaluate(expression, VALUES)


def test_input_nested_without_end_is_refused() -> None:
    deep: JsonValue = 1
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(PipelineError, match="cannot be evaluated"):
        evaluate("input.deep", {"input": {"deep": deep}})


CONFIG = Config.model_validate(
    {
        "providers": {"p": {"api": "openai"}, "a": {"api": "anthropic"}},
        "models": {"m": {"provider": "p", "name": "gpt-4o"}, "c": {"provider": "a", "name": "claude-haiku-4-5"}},
    }
)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ({"messages": "input.messages", "files": "input.files | default([])"}, None),
        ({"messages": "{{ input.messages }}"}, r"step '\$', messages: .*It stands without braces"),
        ({"files": "input.files }} {{ input"}, "not a valid expression"),
        ({"files": "inptu.files"}, "unknown name 'inptu'. Did you mean 'input'"),
        ({"files": "steps.read.files"}, "unknown step 'read'"),
        ({"messages": ""}, "not a valid expression"),
        ({"model": "c", "top_p": 0.5}, "Anthropic takes no top_p from API version 2026-10-21 on"),
    ],
)
def test_a_mistake_is_found_before_a_job_finds_it(call: dict[str, object], says: str | None) -> None:
    spec = parse({"call": {"model": "m"} | call})
    if says is None:
        check_pipeline("p", spec, CONFIG)
        return
    with pytest.raises(PipelineError, match=says):
        check_pipeline("p", spec, CONFIG)
