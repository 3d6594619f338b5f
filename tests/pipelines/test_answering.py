"""What an outsider may ask of a pipeline."""

from __future__ import annotations

from typing import Any

import pytest

from mirepoix.errors import PipelineError
from mirepoix.paths import walk
from mirepoix.spec import Call, dump, parse
from pipelines.answering import answering_in, input_fields

SCHEMA = {"type": "object"}


def call(**fields: Any) -> dict[str, Any]:
    """A call as it stands in YAML."""
    return {"call": {"model": "m", **fields}}


def test_the_fields_of_the_input_are_found_wherever_they_are_read() -> None:
    spec = parse(
        {
            "chain": [
                {"name": "a", **call(prompt="{{ input.text | upper }}")},
                {
                    "cascade": {
                        "tiers": [
                            call(prompt="{{ input['system'] }}", messages="input.messages", files="input.files[:1]")
                        ]
                    }
                },
            ]
        }
    )
    assert input_fields(spec) == {"text", "system", "messages", "files"}
    assert input_fields(parse(call(prompt="{{ input }} {{ previous }}, not input.text"))) == set()


@pytest.mark.parametrize(
    ("spec", "held"),
    [
        (call(), ["$"]),
        ({"route": {"by": "first", "to": [call(), call()]}}, ["to.0", "to.1"]),
        ({"cascade": {"tiers": [call(), call()]}}, ["tiers.0", "tiers.1"]),
        ({"ensemble": {"members": [call(), call()]}}, ["members.0", "members.1"]),
        ({"chain": [{"name": "a", **call()}, {"name": "b", **call()}]}, ["b"]),
        ({"chain": [{"name": "a", **call()}, {"name": "b", "cascade": {"tiers": [call()]}}]}, ["b.tiers.0"]),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_the_calls_that_have_the_last_word_are_held_to_the_schema(spec: dict[str, Any], held: list[str]) -> None:
    changed = answering_in(parse(spec), SCHEMA)
    calls = {place.path: place.node for place in walk(changed) if isinstance(place.node, Call)}
    assert [path for path, node in calls.items() if node.schema_ == SCHEMA] == held
    assert parse(dump(changed)) == changed, "it cannot be stored and read again"


@pytest.mark.parametrize(
    "spec",
    [
        {"ensemble": {"members": [call()], "reduce": {"fuse": {"model": "m"}}}},
        {"ensemble": {"members": [call()], "reduce": {"numbers": {}}}},
        {"ensemble": {"members": [call()], "reduce": {"median": {}}}},
        {"map": {"over": "{{ input }}", "each": call()}},
        call(schema={"type": "array"}),
        call(tools=[{"name": "look"}]),
        {"chain": [{"name": "a", **call()}, {"name": "b", "map": {"over": "{{ input }}", "each": call()}}]},
    ],
    ids=lambda spec: str(spec)[:60],
)
def test_what_makes_its_own_form_of_an_answer_cannot_be_held_to_another(spec: dict[str, Any]) -> None:
    with pytest.raises(PipelineError, match="cannot be held to another schema"):
        answering_in(parse(spec), SCHEMA)
