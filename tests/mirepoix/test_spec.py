"""Pipelines as data: two spellings, one meaning, a stable version; and the paths of their steps."""

from __future__ import annotations

import pytest
from hypothesis import given
from pydantic import ValidationError

from mirepoix import Branch, Call, Cascade, Chain, Ensemble, Map, Route
from mirepoix.errors import NotFound, PipelineError
from mirepoix.paths import find, walk
from mirepoix.spec import Pipeline, dump, parse, version
from tests.specs import pipelines


def test_yaml_and_python_spell_the_same_pipeline() -> None:
    branches = [{"below": 0.3, "call": {"model": "a"}}, {"call": {"model": "b"}}]
    text = {"name": "text", "call": {"model": "reader"}}
    route = Route(by="complexity", to=(Branch(below=0.3, then=Call(model="a")), Branch(then=Call(model="b"))))
    spelled = parse({"chain": [text, {"route": {"by": "complexity", "to": branches}}]})
    assert spelled == Chain(steps=(Call(name="text", model="reader"), route))


@given(pipelines())
def test_a_pipeline_survives_being_written_down(spec: Pipeline) -> None:
    assert parse(dump(spec)) == spec
    assert version(parse(dump(spec))) == version(spec)


def test_what_a_call_leaves_out_does_not_change_its_version() -> None:
    assert dump(Call(model="a")) == {"kind": "call", "model": "a", "prompt": "{{ previous }}"}


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ({"tool_choice": "auto"}, "tool_choice goes with tools"),
        ({"tools": []}, "at least 1 item"),
        ({"tools": [{"name": "a b"}]}, "should match pattern"),
        ({"tools": [{"name": "a"}, {"name": "a"}]}, "two tools of a call have the same name"),
        ({"tools": [{"name": "look"}], "tool_choice": "lok"}, "Did you mean 'look'"),
        ({"stop": ["", "x"]}, "at least 1 character"),
        ({"stop": ["x"] * 5}, "at most 4 items"),
        ({"top_p": 0}, "greater than 0"),
    ],
)
def test_options_of_a_call_that_cannot_be(call: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        parse({"call": {"model": "a"} | call})


@given(pipelines(), pipelines())
def test_versions_differ_exactly_where_pipelines_do(one: Pipeline, other: Pipeline) -> None:
    assert (version(one) == version(other)) == (one == other)


@given(pipelines())
def test_every_path_leads_to_its_own_step(spec: Pipeline) -> None:
    places = list(walk(spec))
    assert len({place.path for place in places}) == len(places)
    for place in places:
        found = find(spec, place.path)
        assert (found.path, found.node, found.index) == (place.path, place.node, place.index)


@pytest.mark.parametrize("path", ["", "lost", "tiers.2", "tiers.x", "tiers", "tiers.0.0", "members.0", "$.tiers.0"])
def test_a_path_that_leads_nowhere_is_refused(path: str) -> None:
    with pytest.raises(NotFound, match=r"no step|nothing below"):
        find(Cascade(tiers=(Call(model="a"), Call(model="b"))), path)


def test_items_of_a_map_are_found_by_number() -> None:
    spec = Map(each=Chain(steps=(Call(name="x", model="a"),)))
    assert find(spec, "items.41.x").node == Call(name="x", model="a")
    assert find(spec, "items.41").index == 41


def test_nesting_has_an_end() -> None:
    spec: Pipeline = Call(model="a")
    for _ in range(40):
        spec = Chain(steps=(spec,))
    with pytest.raises(PipelineError, match="levels deep"):
        list(walk(spec))


A, B, X = {"call": {"model": "a"}}, {"call": {"model": "b"}}, {"name": "x", "call": {"model": "a"}}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"route": {"by": "complexity", "to": [A, B]}}, "needs 'below'"),
        ({"route": {"by": "complexity", "to": [{"below": 0.5, **A}]}}, "it is the default"),
        (
            {"route": {"by": "complexity", "to": [{"below": 0.5, **A}, {"below": 0.4, **A}, B]}},
            "bounds of a route rise",
        ),
        ({"route": {"by": "task", "to": [{"below": 0.5, **A}, B]}}, "asks for 'task'"),
        (
            {"route": {"by": "task", "to": [{"task": "code", **A}, {"task": "code", **A}, B]}},
            "each task has one branch",
        ),
        ({"chain": [X, X]}, "names must differ"),
        ({**A, "chain": []}, "exactly one of"),
        ({"call": "a"}, "takes a mapping"),
        ({"ensemble": {"members": []}}, "at least 1"),
    ],
)
def test_shapes_without_meaning_are_refused(data: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        parse(data)


def test_the_quorum_is_a_majority_unless_said() -> None:
    members = tuple(Call(model="a") for _ in range(4))
    assert Ensemble(members=members).needed == 3
    assert Ensemble(members=members, min_success=1).needed == 1
