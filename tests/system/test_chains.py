"""Chains whose steps run side by side or only sometimes, and maps in pieces and turns, through real workers."""

from __future__ import annotations

import itertools
from datetime import datetime

import pytest

from mirepoix import JobState
from mirepoix.states import StepState
from mirepoix.views import StepView, TraceView
from tests.system.world import World

pytestmark = pytest.mark.system

STORY = " ".join(f"Sentence number {index} says something of its own." for index in range(20))


def traced(world: World, pipeline: str, text: str) -> dict[str, StepView]:
    """Run a job that must succeed; its steps by path."""
    trace = ran(world, pipeline, text)
    assert trace.state is JobState.SUCCEEDED, trace.error
    return {step.path: step for step in trace.steps}


def ran(world: World, pipeline: str, text: str) -> TraceView:
    """Run a job to its end."""
    with world.client() as client:
        handle = client.submit(pipeline, text)
        handle.wait(40)
        return handle.trace()


def overlap(one: StepView, other: StepView) -> bool:
    """Whether both were at work at the same moment."""
    (begin, end), (other_begin, other_end) = times(one), times(other)
    return begin < other_end and other_begin < end


def times(step: StepView) -> tuple[datetime, datetime]:
    """When the work on it began and ended."""
    assert step.started_at is not None
    assert step.finished_at is not None
    return step.started_at, step.finished_at


@pytest.mark.quick
def test_steps_that_do_not_need_each_other_run_side_by_side(world: World) -> None:
    steps = traced(world, "side_by_side", "the harbour")
    assert overlap(steps["work.facts"], steps["work.tone"])
    assert steps["work.text"].output == "more of the harbour / tone of the harbour"
    assert steps["$"].output == "more of the harbour / tone of the harbour!"


def test_where_one_of_them_fails_the_chain_fails_and_what_waited_is_skipped(world: World) -> None:
    trace = ran(world, "one_beside_fails", "the harbour")
    states = {step.path: step.state for step in trace.steps}
    assert trace.state is JobState.FAILED
    assert states["bad"] is StepState.FAILED
    assert states["both"] is StepState.SKIPPED
    assert states["slow"] in (StepState.SKIPPED, StepState.SUCCEEDED)


@pytest.mark.quick
@pytest.mark.parametrize(
    ("text", "answer", "skipped"),
    [
        ("A wonderful, happy day.", "Thank you. After: Thank you.", "sorry"),
        ("An awful, sad day.", "We are sorry. After:", "thanks"),
    ],
)
def test_a_step_is_done_only_where_its_condition_holds(world: World, text: str, answer: str, skipped: str) -> None:
    steps = traced(world, "conditional", text)
    assert str(steps["closing"].output).startswith(answer)
    decision = steps[skipped].decision
    assert decision is not None
    assert decision.choice == "skip"
    assert "is false" in decision.reason
    assert steps[skipped].output is None
    assert f"{skipped}.then.0" not in steps


def test_after_a_step_that_was_passed_over_previous_is_the_one_before_it(world: World) -> None:
    steps = traced(world, "conditional", "An awful, sad day.")
    assert str(steps["closing"].output).endswith("After: We are sorry.")


def test_a_long_text_is_worked_on_in_pieces_a_few_at_a_time(world: World) -> None:
    steps = traced(world, "pieces", STORY)
    items = [step for path, step in steps.items() if path.startswith("parts.items.")]
    assert len(items) >= 6
    assert str(steps["whole"].output).startswith(f"{len(items)} pieces: Sentence number 0")
    assert all(f"number {index} " in str(steps["whole"].output) for index in range(20))
    at_work = [sum(overlap(one, other) for other in items if other is not one) for one in items]
    assert max(at_work) <= 2, "beside each of two at a time at most its neighbours in time"
    assert any(overlap(one, other) for one, other in itertools.pairwise(items))


def test_a_map_may_bear_some_failures_and_the_turns_go_on(world: World) -> None:
    trace = ran(world, "some_items_fail", '[1, "no JSON", 3]')
    assert trace.output == [1, None, 3]
    assert trace.steps[0].decisions[-1].features["failed"] == ["items.1"]
    trace = ran(world, "too_many_items_fail", '[1, "no JSON", 3]')
    assert trace.state is JobState.FAILED
    assert trace.error is not None
    assert "1 of 3 items failed" in trace.error
