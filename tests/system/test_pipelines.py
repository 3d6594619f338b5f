"""Every shape through real workers: what comes out, and what the trace says of it."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from mirepoix import Call, Chain, Client, Handle, JobState
from mirepoix.errors import JobFailed
from mirepoix.states import StepState
from mirepoix.views import StepView, TraceView
from tests.system.world import World

pytestmark = pytest.mark.system

QUESTION = "What is the capital of France?"


def submitted(world: World, pipeline: str, text: str = QUESTION) -> tuple[Handle, TraceView]:
    """Run a job to its end."""
    with world.client() as client:
        handle = client.submit(pipeline, text)
        handle.wait(40)
        return handle, handle.trace()


def step(trace: TraceView, path: str) -> StepView:
    """The step at `path`."""
    found = [step for step in trace.steps if step.path == path]
    assert found, f"no step {path} among {[step.path for step in trace.steps]}"
    return found[0]


@pytest.mark.quick
def test_a_route_asks_the_model_that_the_complexity_calls_for(world: World) -> None:
    _, trace = submitted(world, "ask")
    assert trace.state is JobState.SUCCEEDED
    decision = step(trace, "$").decision
    assert decision is not None
    assert decision.choice == "to.0"
    assert "below 0.3" in decision.reason
    assert [call.model for call in step(trace, "to.0").calls] == ["luna"]


@pytest.mark.quick
def test_an_ensemble_answers_with_what_most_members_say(world: World) -> None:
    handle, trace = submitted(world, "decide")
    decision = step(trace, "$").decision
    assert decision is not None
    assert decision.confidence >= 1 / 3
    answers = [step(trace, f"members.{index}").output for index in range(3)]
    assert handle.result(1) in answers
    assert all(call.attempts[0].cost_usd for index in range(3) for call in step(trace, f"members.{index}").calls)


@pytest.mark.quick
def test_a_cascade_shows_why_it_escalated_and_counts_what_the_cheaper_tiers_cost(world: World) -> None:
    _, trace = submitted(world, "careful", "A question that no emulated model has ever heard of, what is it?")
    cascade = step(trace, "$")
    assert [decision.choice for decision in cascade.decisions] == ["escalate", "escalate", "accept"]
    assert all(0 <= decision.features["score"] < 0.8 for decision in cascade.decisions[:2])
    spent = sum(
        (
            attempt.cost_usd or Decimal(0)
            for tier in range(3)
            for attempt in step(trace, f"tiers.{tier}").calls[0].attempts
        ),
        Decimal(0),
    )
    assert trace.cost_usd == spent


@pytest.mark.quick
def test_a_chain_hands_answers_on_to_later_steps(world: World) -> None:
    _, trace = submitted(world, "report", "The harbour was quiet. Everyone was happy with the wonderful result.")
    assert [entry.path for entry in trace.steps] == ["$", "text", "mood", "summary", "report"]
    assert trace.output == step(trace, "report").output
    mood = step(trace, "mood").output
    assert isinstance(mood, dict)
    assert isinstance(mood["sentiment"], float)
    assert mood["sentiment"] > 0


def test_three_levels_nest_and_the_trace_shows_each(world: World) -> None:
    _, trace = submitted(world, "nest")
    assert trace.state is JobState.SUCCEEDED, trace.error
    paths = {entry.path: entry for entry in trace.steps}
    for path, kind in {
        "$": "chain",
        "text": "call",
        "verdict": "ensemble",
        "verdict.members.0": "cascade",
        "verdict.members.0.tiers.0": "call",
        "verdict.members.2": "route",
        "verdict.members.2.to.0": "call",
        "closing": "call",
    }.items():
        assert paths[path].kind == kind
        assert paths[path].state is StepState.SUCCEEDED
    assert paths["verdict"].decision is not None
    assert paths["verdict.members.0"].decision is not None


def test_a_map_answers_for_each_item_in_order(world: World) -> None:
    _, trace = submitted(world, "spread", '["one", "two", "three"]')
    assert trace.state is JobState.SUCCEEDED, trace.error
    answers = step(trace, "parts").output
    assert isinstance(answers, list)
    assert len(answers) == 3
    assert [step(trace, f"parts.items.{index}").output for index in range(3)] == answers
    assert step(trace, "parts.items.2.0").calls[0].model == "luna"


def test_a_map_over_nothing_answers_with_an_empty_list(world: World) -> None:
    _, trace = submitted(world, "spread", "[]")
    assert step(trace, "parts").output == []


def test_a_pipeline_built_in_python_runs_without_being_configured(world: World) -> None:
    spec = Chain(
        name="mine",
        steps=(Call(name="first", model="reader"), Call(model="reader", prompt="{{ steps.first }} and {{ input }}")),
    )
    with world.client() as client:
        handle = client.submit(spec, "hello")
        assert handle.result(30) == "hello and hello"
        assert handle.view().pipeline == "mine"


def test_a_failed_call_moves_to_its_fallback_on_the_other_providers_queue(world: World) -> None:
    _, trace = submitted(world, "falls_back")
    assert trace.state is JobState.SUCCEEDED, trace.error
    calls = step(trace, "$").calls
    assert [(call.provider, call.model) for call in calls] == [("local", "spare"), ("openai", "luna")]
    assert calls[0].attempts[0].error_kind == "model_error"


def test_a_job_fails_with_the_reason_of_the_call_that_failed(world: World) -> None:
    with world.client() as client:
        handle = client.submit("fails", "not JSON")
        with pytest.raises(JobFailed, match="JSONDecodeError") as failure:
            handle.result(30)
        assert failure.value.state == "failed"


def test_a_chain_stops_at_the_step_that_fails_and_skips_the_rest(world: World) -> None:
    _, trace = submitted(world, "fails_late")
    assert trace.state is JobState.FAILED
    assert trace.error is not None
    assert "step 'bad'" in trace.error
    assert step(trace, "text").state is StepState.SUCCEEDED
    assert step(trace, "never").state is StepState.SKIPPED
    assert step(trace, "never").calls == ()


def test_an_ensemble_answers_when_enough_members_do_and_the_chain_goes_on(world: World) -> None:
    _, trace = submitted(world, "one_member_fails")
    assert trace.state is JobState.SUCCEEDED, trace.error
    assert step(trace, "vote.members.1").state is StepState.FAILED
    assert step(trace, "closing").state is StepState.SUCCEEDED


def test_an_ensemble_fails_when_too_few_members_answer(world: World) -> None:
    _, trace = submitted(world, "most_members_fail")
    assert trace.state is JobState.FAILED
    assert trace.error is not None
    assert "1 of 3 members answered, 2 are needed" in trace.error


def test_a_cascade_escalates_past_a_tier_that_fails(world: World) -> None:
    _, trace = submitted(world, "first_tier_fails")
    assert trace.state is JobState.SUCCEEDED, trace.error
    assert [decision.choice for decision in step(trace, "answer").decisions] == ["escalate", "accept"]
    assert step(trace, "closing").state is StepState.SUCCEEDED


def test_many_jobs_at_once_all_end_and_their_cost_equals_the_bill(world: World) -> None:
    with world.client() as client:
        handles = [
            handle
            for name in ("ask", "decide", "careful", "nest")
            for handle in client.submit_many(name, [QUESTION] * 15)
        ]
        ended = list(client.as_ended(handles, 60))
    assert {view.state for view in ended} == {JobState.SUCCEEDED}
    assert total_cost(world) == Decimal(world.bill()["cost_usd"])


@pytest.mark.quick
def test_the_async_twins_do_the_same(world: World) -> None:
    async def ask(client: Client) -> None:
        handle = await client.asubmit("only_openai", QUESTION)
        assert await handle.aresult(30)
        assert await handle.astate() is JobState.SUCCEEDED
        assert (await handle.atrace()).job == handle.id
        assert await handle.acancel() is False

    with world.client() as client:
        asyncio.run(ask(client))


def total_cost(world: World) -> Decimal:
    """What the ledger says was spent, by the CLI."""
    return sum((Decimal(row["cost_usd"]) for row in world.lines("costs")), Decimal(0))
