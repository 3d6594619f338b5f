"""Ensembles through real workers: reducers, judges, aggregators, quorums and hedges; what they cost and give up."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from mirepoix import Handle, JobState, StepState
from mirepoix.views import TraceView
from tests.system.test_bounds import until_in_flight
from tests.system.test_pipelines import step
from tests.system.test_queues import MOST_BYTES, listening
from tests.system.world import World, open_world, start_emulator

pytestmark = pytest.mark.system

CONFIG = Path(__file__).parent / "ensembles.yaml"
LONG, SHORT, MIDDLING = "by far the longest of all these answers", "short", "a middling one. Number 3 is best"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """All workers, and a provider that never answers what is asked about the Nile."""
    home = tmp_path_factory.mktemp("ensembles")
    scenario = home / "scenario.json"
    hangs = {"kind": "hang", "seconds": 60, "match": {"contains": "Nile"}}
    scenario.write_text(json.dumps({"latency": {"min": 0.02, "max": 0.05}, "faults": [hangs]}))
    with open_world(home, config=CONFIG, emulate=False, settings={"MIREPOIX_LEASE": "4"}) as opened:
        start_emulator(opened, 1.0, "--scenario", str(scenario))
        opened.start_workers("orchestrate", "openai", "local")
        yield opened


def ran(world: World, pipeline: str, text: str = "Where?") -> tuple[Handle, TraceView]:
    """Run a job to its end."""
    with world.client() as client:
        handle = client.submit(pipeline, text)
        handle.wait(40)
        return handle, handle.trace()


def outcomes(trace: TraceView, path: str) -> list[str | None]:
    """Why the attempts of a step have no answer; None for those that do."""
    return [attempt.error_kind for call in step(trace, path).calls for attempt in call.attempts]


def test_numbers_agree_whatever_their_units_and_objects_are_merged(world: World) -> None:
    _, trace = ran(world, "numbers")
    decision = step(trace, "$").decision
    assert decision is not None
    assert (trace.output, decision.confidence) == ("About 1,000 m.", 0.6667)
    _, merged = ran(world, "by_field")
    assert merged.output == {"total": 12, "currency": "EUR", "tags": ["a", "b", "c"]}


def test_a_judge_chooses_among_shuffled_answers_and_has_a_step_of_its_own(world: World) -> None:
    _, trace = ran(world, "judged")
    asked, chosen = step(trace, "$").decisions
    assert asked.choice == "judge.0"
    assert sorted(asked.features["shown"]) == ["members.0", "members.1", "members.2"]
    assert (trace.output, chosen.choice) == (LONG, "members.1")
    assert asked.features["shown"][chosen.features["verdict"] - 1] == "members.1"
    assert [call.model for call in step(trace, "judge.0").calls] == ["longest"]


@pytest.mark.parametrize(
    ("pipeline", "said"),
    [("judge_babbles", "named none of the answers; instead, first"), ("judge_fails", "failed: local/broken")],
)
def test_without_a_verdict_the_answer_is_found_otherwise_and_that_is_said(
    world: World, pipeline: str, said: str
) -> None:
    _, trace = ran(world, pipeline)
    decision = step(trace, "$").decision
    assert decision is not None
    assert trace.output == SHORT
    assert said in decision.reason


def test_a_judge_is_asked_where_votes_are_tied(world: World) -> None:
    _, trace = ran(world, "tied")
    assert trace.output == "no way"
    assert step(trace, "judge.0").state is StepState.SUCCEEDED


def test_an_aggregator_writes_the_answer_from_those_of_the_members(world: World) -> None:
    _, trace = ran(world, "fused")
    assert trace.output == " + ".join(sorted([SHORT, LONG, MIDDLING]))
    assert step(trace, "fuse.0").output == trace.output


def test_a_quorum_answers_at_once_and_gives_up_what_is_still_at_work(world: World) -> None:
    with world.client() as client:
        started = time.monotonic()
        handle = client.submit("quorum", "Where?")
        assert handle.result(20) in ("Paris", "paris.")
        answered = time.monotonic() - started
        world.until(lambda: outcomes(handle.trace(), "members.0") == ["aborted"], "the call to be given up", 5)
        given_up = time.monotonic() - started
        later = given_up - answered
        print(f"a quorum answered after {answered:.2f} s; the call in flight was given up {later:.2f} s later")
        assert answered < 20
        assert later < 2
        trace = handle.trace()
    assert {step(trace, path).state for path in ("members.0", "members.3", "members.3.0")} == {StepState.CANCELLED}
    assert step(trace, "members.3.never").state is StepState.CANCELLED
    assert step(trace, "members.3.never").calls == ()


def test_a_hedge_asks_the_second_only_when_the_first_is_late(world: World) -> None:
    _, trace = ran(world, "hedge_in_time")
    assert trace.output == "at once"
    assert [found.path for found in trace.steps] == ["$", "members.0"]
    handle, late = ran(world, "hedge_late")
    assert late.output == "instead"
    assert [found.path for found in late.steps] == ["$", "members.0", "members.1"]
    waited = [step(late, f"members.{index}").started_at for index in range(2)]
    assert waited[0] is not None
    assert waited[1] is not None
    print(f"the second member was asked {(waited[1] - waited[0]).total_seconds():.2f} s after the first; after: 0.5")
    assert 0.4 < (waited[1] - waited[0]).total_seconds() < 2
    world.until(lambda: outcomes(handle.trace(), "members.0") == ["aborted"], "the first call to be given up", 4)


def test_a_hedge_asks_the_next_at_once_when_one_fails(world: World) -> None:
    _, trace = ran(world, "hedge_fails")
    assert trace.output == "the third"
    assert trace.latency_s < 20
    _, hopeless = ran(world, "hedge_hopeless")
    assert hopeless.state is JobState.FAILED
    assert "0 of 2 members answered, 1 are needed" in str(hopeless.error)


def test_ensembles_nest_three_levels_deep_and_what_follows_them_runs_once(world: World) -> None:
    _, trace = ran(world, "nest", "so")
    assert trace.state is JobState.SUCCEEDED, trace.error
    fused = f"fused: {' + '.join(sorted([SHORT, LONG, MIDDLING]))}"
    assert trace.output in {f"so: {' + '.join(sorted([paris, LONG, fused]))}" for paris in ("Paris", "paris.")}
    assert len(step(trace, "closing").calls) == 1
    assert {found.state for found in trace.steps} <= {StepState.SUCCEEDED, StepState.CANCELLED}


def test_what_judges_and_aggregators_cost_is_on_the_bill_to_the_cent(world: World) -> None:
    with world.client() as client:
        handles = client.submit_many("paid", ["What is the capital of France?"] * 10)
        views = list(client.as_ended(handles, 60))
    assert {view.state for view in views} == {JobState.SUCCEEDED}
    assert all(view.calls == 6 for view in views)
    rows = [row for row in world.bill()["by_tag"].items() if row[0].partition("/")[0] in {view.job for view in views}]
    assert sum((Decimal(row["cost_usd"]) for _, row in rows), Decimal(0)) == sum(view.cost_usd for view in views)
    assert len(rows) == 60


@pytest.mark.redis_broker
def test_messages_stay_small_with_fifty_members(world: World) -> None:
    client = world.redis()
    with listening(client) as wire, world.client() as producer:
        handles = [producer.submit(name, "hello") for name in ("wide_quorum", "wide_judged")]
        assert {view.state for view in producer.as_ended(handles, 60)} == {JobState.SUCCEEDED}
        assert handles[1].trace().output == "another"
    client.close()
    largest = max(max(each) for each in wire.task_messages().values())
    print(f"the largest message of ensembles of 50 has {largest} bytes")
    assert largest < min(MOST_BYTES, 8192)


def test_a_hedge_goes_on_when_the_process_that_kept_its_time_is_killed(world: World) -> None:
    with world.client() as client:
        handle = client.submit("hedge_long", "Where?")
        until_in_flight(world, handle)
        world.stop("orchestrate", signal.SIGKILL)
        world.start_workers("orchestrate")
        started = time.monotonic()
        assert handle.result(30) == "instead"
        print(f"after its orchestrator was killed, a hedge of 3 s answered within {time.monotonic() - started:.2f} s")
