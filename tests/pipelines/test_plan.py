"""What a pipeline becomes: steps that wait for each other, and a canvas that leads through them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from celery import Celery, Signature, chord
from hypothesis import given

from mirepoix import Call, Cascade, Chain, Ensemble, If, Map
from mirepoix.paths import root
from mirepoix.planned import PlannedStep
from mirepoix.queues import CALL, GO_ON
from mirepoix.spec import Pipeline
from mirepoix.states import Lane
from pipelines.canvas import WINDOW, Canvas
from pipelines.plan import first_steps, plan, plan_items
from pipelines.references import needs
from tests.specs import MODELS, pipelines

APP = Celery("test", set_as_current=False)
CANVAS = Canvas(APP, "01JOB", Lane.FAST, MODELS.__getitem__)


def leaves(signature: Signature[Any]) -> Iterator[Signature[Any]]:
    """The single tasks of a canvas."""
    if isinstance(signature, chord):
        yield from leaves(signature.body)
    below = getattr(signature, "tasks", None)
    if below is None:
        yield signature
    for task in below or ():
        yield from leaves(task)


def run_through(steps: list[PlannedStep]) -> list[str]:
    """Answer whatever is ready until nothing is; the order in which steps ended. Routes and cascades end at once."""
    missing = {step.path: step.missing for step in steps}
    by_path = {step.path: step for step in steps}
    ended: list[str] = []
    while ready := [path for path, left in missing.items() if left == 0 and path not in ended]:
        step = by_path[ready[0]]
        ended.append(step.path)
        for waiting in (*step.feeds, *([step.parent] if step.parent else [])):
            missing[waiting] -= 1
    assert all(left == 0 for left in missing.values()), f"stuck, or woken too often: {missing}"
    return ended


@given(pipelines(most=20))
def test_every_planned_step_gets_its_turn_exactly_once(spec: Pipeline) -> None:
    steps = plan(root(spec))
    ended = run_through(steps)
    assert sorted(ended) == sorted(step.path for step in steps)
    assert ended[-1] == "$"


@given(pipelines(most=20))
def test_work_begins_with_the_steps_that_wait_for_nothing(spec: Pipeline) -> None:
    assert first_steps(root(spec)) == [step.path for step in plan(root(spec)) if step.missing == 0]


@given(pipelines(most=20))
def test_the_canvas_leads_through_planned_steps_on_their_providers_queues(spec: Pipeline) -> None:
    planned = {step.path: step for step in plan(root(spec))}
    for task in leaves(CANVAS.of(root(spec))):
        assert task.immutable, "a parent's result must not travel"
        assert task.args[0] == "01JOB"
        if task.task == GO_ON:
            continue
        step = planned[task.args[1]]
        expected = f"provider.{MODELS[step.model]}" if step.model else "orchestrate"
        assert task.options["queue"] == expected
        assert (task.task == CALL) == (step.kind == "call")


def test_a_long_chain_is_cut_and_goes_on() -> None:
    spec = Chain(steps=tuple(Call(model="a") for _ in range(20)))
    tasks = list(leaves(CANVAS.of(root(spec))))
    assert [task.task for task in tasks] == [CALL] * WINDOW + [GO_ON]
    assert tasks[-1].args == ("01JOB", "$", WINDOW)
    rest = list(leaves(CANVAS.chain_from(root(spec), 18)))
    assert [task.args[1] for task in rest] == ["18", "19"]


def test_what_flower_shows_of_a_task_is_job_path_and_model() -> None:
    (task,) = leaves(CANVAS.of(root(Call(model="a", prompt="a secret"))))
    assert task.options["argsrepr"] == "(01JOB $ a)"
    assert "secret" not in repr(dict(task))


def test_steps_that_do_not_refer_to_each_other_begin_together_and_the_others_when_what_they_need_is_there() -> None:
    spec = Chain(
        steps=(
            Call(name="facts", model="a"),
            Call(name="tone", model="b", prompt="{{ input }}"),
            Call(name="draft", model="a", prompt="{{ steps.facts }}"),
            Call(name="text", model="b", prompt="{{ previous }} {{ steps['tone'] }}"),
        )
    )
    assert [task.args[1] for task in leaves(CANVAS.of(root(spec)))] == ["facts", "tone"]
    steps = {step.path: step for step in plan(root(spec))}
    assert [steps[path].missing for path in ("$", "facts", "tone", "draft", "text")] == [4, 0, 0, 1, 2]
    assert {path: step.feeds for path, step in steps.items() if step.feeds} == {
        "facts": ("draft",),
        "tone": ("text",),
        "draft": ("text",),
    }
    assert {path for path, step in steps.items() if step.driven} == {"draft", "text"}


def test_what_cannot_be_told_from_a_template_counts_as_needed() -> None:
    spec = Chain(
        steps=(
            Call(name="one", model="a"),
            Call(name="two", model="a", prompt="{{ input }}"),
            Call(model="a", prompt="{% for name in steps %}{{ steps[name] }}{% endfor %}"),
        )
    )
    assert needs(root(spec)) == [frozenset(), frozenset(), frozenset({0, 1})]


def test_a_step_needs_what_anything_below_it_refers_to() -> None:
    below = Cascade(tiers=(Call(model="a", prompt="{{ input }}"), Call(model="a", prompt="{{ steps.one }}")))
    spec = Chain(steps=(Call(name="one", model="a"), Call(name="two", model="a", prompt="{{ input }}"), below))
    assert needs(root(spec))[2] == {0}


def test_after_a_step_that_may_be_passed_over_the_one_before_it_is_needed_too() -> None:
    spec = Chain(steps=(Call(model="a"), If(when="previous", then=Call(model="a")), Call(model="a")))
    assert needs(root(spec))[2] == {0, 1}


def test_a_map_keeps_a_bounded_number_of_items_in_work() -> None:
    place = root(Map(each=Call(model="a"), at_once=2))
    steps = plan_items(place, 5)
    assert [step.missing for step in steps] == [0, 0, 1, 1, 1]
    assert [step.feeds for step in steps] == [("items.2",), ("items.3",), ("items.4",), (), ()]
    assert [task.args[1] for task in leaves(CANVAS.fan(place, 2))] == ["$", "items.0", "items.1"]


def test_an_ensemble_is_a_chord() -> None:
    canvas = CANVAS.of(root(Ensemble(members=(Call(model="a"), Call(model="b")))))
    assert isinstance(canvas, chord)
    assert canvas.body.task == "mirepoix.reduce"
