"""Prompts: what they may refer to, what they look like filled in, and what they may never do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from mirepoix import Call, Chain, Ensemble, Map
from mirepoix.errors import PipelineError
from mirepoix.paths import find
from mirepoix.spec import Pipeline
from pipelines.scope import scope_of
from pipelines.templates import check_template, render

NEST = Chain(
    steps=(
        Call(name="first", model="a"),
        Ensemble(name="both", members=(Call(model="a"), Chain(steps=(Call(name="inner", model="a"), Call(model="b"))))),
        Map(name="each", each=Chain(steps=(Call(name="part", model="a"), Call(name="whole", model="b")))),
        Call(name="last", model="b"),
    )
)


@pytest.mark.parametrize(
    ("path", "names", "previous"),
    [
        ("first", {}, ()),
        ("both.members.0", {"first": "first"}, ("first",)),
        ("both.members.1.inner", {"first": "first"}, ("first",)),
        ("both.members.1.1", {"first": "first", "inner": "both.members.1.inner"}, ("both.members.1.inner",)),
        ("each", {"first": "first", "both": "both"}, ("both",)),
        ("each.items.3.part", {"first": "first", "both": "both"}, ()),
        ("last", {"first": "first", "both": "both", "each": "each"}, ("each",)),
    ],
)
def test_a_step_sees_what_came_before_it(path: str, names: dict[str, str], previous: tuple[str, ...]) -> None:
    scope = scope_of(find(NEST, path))
    assert scope.names == names
    assert scope.previous == previous


def test_a_step_in_a_map_sees_its_own_item() -> None:
    scope = scope_of(find(NEST, "each.items.3.whole"))
    assert (scope.item, scope.names["part"], scope.previous) == (3, "each.items.3.part", ("each.items.3.part",))


@pytest.mark.parametrize(
    ("template", "path", "says"),
    [
        ("{{ steps.last }}", "first", "unknown step 'last'"),
        ("{{ steps['fist'] }}", "last", "Did you mean 'first'?"),
        ("{{ steps.inner }}", "last", "unknown step 'inner'"),
        ("{{ item }}", "last", "unknown name 'item'"),
        ("{{ inptu }}", "last", "Did you mean 'input'?"),
        ("{% if %}", "last", "not a valid template"),
        ("{{ previous", "last", "not a valid template"),
    ],
)
def test_a_reference_to_what_is_not_there_is_found_before_any_job(template: str, path: str, says: str) -> None:
    with pytest.raises(PipelineError) as caught:
        check_template(template, find(NEST, path), "prompt")
    assert says in str(caught.value)
    assert f"step {path!r}, prompt" in str(caught.value)


@pytest.mark.parametrize(
    "template", ["{{ item }}", "{% for x in steps.both %}{{ x }}{% endfor %}", "{{ input | upper }}"]
)
def test_what_is_there_may_be_used(template: str) -> None:
    check_template(template, find(NEST, "each.items.0.part"), "prompt")


@pytest.mark.parametrize(
    ("template", "values", "text"),
    [
        ("{{ input }}", {"input": "{{ 7 * 7 }} <b>&"}, "{{ 7 * 7 }} <b>&"),
        ("{{ input }}\n", {"input": "x"}, "x\n"),
        ("{{ input }}", {"input": {"a": [1, None, "é"]}}, '{"a": [1, null, "é"]}'),
        ("{{ input.a[0] }}", {"input": {"a": [1]}}, "1"),
        ("{{ input | join('; ') }}", {"input": ["x", "y"]}, "x; y"),
    ],
)
def test_values_stand_as_they_are_or_as_json(template: str, values: dict[str, JsonValue], text: str) -> None:
    assert render(template, values) == text


@given(st.text())
def test_what_comes_in_is_never_a_template(text: str) -> None:
    assert render("<{{ input }}>", {"input": text}) == f"<{text}>"


@pytest.mark.parametrize(
    "template",
    [
        "{{ input.__class__.__mro__ }}",
        "{{ input.x }}",
        "{{ ''.__class__ }}",
        "{{ input.append(1) }}",
        "{{ 1 // 0 }}",
        "{{ range(10**9) | list }}",
        "{{ 'x' * 9000000 }}",
        "{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}",
        "{{ input.missing.deeper }}",
        "{{ lipsum.__globals__ }}",
        "{{ input | nosuchfilter }}",
    ],
)
def test_what_a_template_must_not_do_ends_as_an_error(template: str) -> None:
    with pytest.raises(PipelineError):
        render(template, {"input": [1]})


def test_errors_of_a_template_do_not_repeat_its_values() -> None:
    with pytest.raises(PipelineError) as caught:
        render("{{ input.missing }}", {"input": "a secret"})
    assert "a secret" not in str(caught.value)


def test_a_pipeline_without_names_has_nothing_to_refer_to() -> None:
    spec: Pipeline = Call(model="a")
    scope = scope_of(find(spec, "$"))
    assert (scope.names, scope.previous, scope.item) == ({}, (), None)
