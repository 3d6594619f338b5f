"""What is personal or secret never leaves the house: real workers, and a tap on the line to the providers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mirepoix import JobState
from mirepoix.states import StepState
from mirepoix.views import TraceView
from tests.system.tap import Tap, tapped
from tests.system.world import World, open_world

pytestmark = [pytest.mark.system, pytest.mark.quick]

CARD, EMAIL = "4111 1111 1111 1111", "ada.lovelace@example.org"
TEXT = f"My card is {CARD}, write to {EMAIL}."
ROUTES = ["first", "complexity", "task", "privacy", "semantic", "cheapest", "fastest", "own"]
ANSWERED = ["plain", "system", *(f"by_{kind}" for kind in ROUTES), "cascade", "ensemble", "chain", "carried", "map"]
ANSWERED += ["closed_member", "closed_tier", "judged", "judged_by_none", "consistent"]
ANSWERED += ["fused", "fused_by_none", "best", "quorum", "hedged", "remembered"]
CLOSED = ["closed", "by_none", "local_fails", "local_fails_behind"]
ASKED_AGAIN = ["by_schema"]


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Tap]]:
    """A world whose workers reach the emulator through a tap."""
    with ExitStack() as stack:
        home = tmp_path_factory.mktemp("privacy")
        world = stack.enter_context(open_world(home, config=Path(__file__).parent / "privacy.yaml"))
        tap = stack.enter_context(tapped(str(world.settings.emulator_url)))
        world.environ["MIREPOIX_EMULATOR_URL"] = tap.url
        world.start_workers("orchestrate", "openai", "anthropic", "local")
        yield world, tap
        world.close()


@pytest.fixture(scope="module")
def traces(line: tuple[World, Tap]) -> dict[str, TraceView]:
    """Every pipeline, asked with a card and an address in its input."""
    world, _ = line
    with world.client() as client:
        handles = {name: client.submit(name, TEXT) for name in (*ANSWERED, *CLOSED, *ASKED_AGAIN)}
        for handle in handles.values():
            handle.wait(40)
        return {name: handle.trace() for name, handle in handles.items()}


def test_the_tap_sees_what_may_leave(line: tuple[World, Tap], traces: dict[str, TraceView]) -> None:
    world, tap = line
    with world.client() as client:
        handle = client.submit("ensemble", "What is the capital of France, by the way?")
        handle.wait(40)
        assert {call.provider for step in handle.trace().steps for call in step.calls} == {"openai", "anthropic"}
    assert tap.saw("What is the capital of France, by the way?")


def test_nothing_sensitive_came_to_the_line(line: tuple[World, Tap], traces: dict[str, TraceView]) -> None:
    _, tap = line
    for said in (CARD, "4111", EMAIL, "ada.lovelace", "example.org"):
        assert not tap.saw(said), f"{said!r} left the house"


@pytest.mark.parametrize("name", ANSWERED)
def test_it_is_answered_in_the_house(traces: dict[str, TraceView], name: str) -> None:
    trace = traces[name]
    assert trace.state is JobState.SUCCEEDED, trace.error
    calls = {call.provider for step in trace.steps for call in step.calls}
    assert calls == {"local"}


@pytest.mark.parametrize("name", ["plain", "system", "chain", "carried", "ensemble", "cascade"])
def test_the_trace_says_why_a_call_was_moved(traces: dict[str, TraceView], name: str) -> None:
    moved = [step for step in traces[name].steps if step.kind == "call" and step.decision is not None]
    assert moved
    for step in moved:
        assert step.decision is not None
        assert step.decision.choice == "house"
        assert step.decision.features["found"].keys() == {"card", "email"}
        assert "is external" in step.decision.reason


def test_the_model_that_may_not_be_asked_is_told_apart(traces: dict[str, TraceView]) -> None:
    member = next(step for step in traces["closed_member"].steps if step.path == "members.1")
    assert (member.state, member.error_kind, member.calls) == (StepState.FAILED, "privacy", ())
    tiers = {step.path: step.state for step in traces["closed_tier"].steps}
    assert tiers["tiers.0"] is StepState.FAILED
    assert tiers["tiers.1"] is StepState.SUCCEEDED


@pytest.mark.parametrize(
    ("name", "adviser", "model"),
    [
        ("judged", "judges.0", "house"),
        ("judged_by_none", "judges.0", None),
        ("consistent", "samples.0.1", "house"),
        ("fused", "fuse.0", "house"),
        ("fused_by_none", "fuse.0", None),
        ("best", "judge.0", None),
    ],
)
def test_who_judges_samples_or_fuses_is_kept_in_the_house_too(
    traces: dict[str, TraceView], name: str, adviser: str, model: str | None
) -> None:
    step = next(step for step in traces[name].steps if step.path == adviser)
    assert step.decision is not None
    assert step.decision.choice == (model or "fail")
    assert step.error_kind == (None if model else "privacy")


def test_without_a_model_in_the_house_it_fails_closed_and_says_why(traces: dict[str, TraceView]) -> None:
    for name in CLOSED:
        trace = traces[name]
        assert trace.state is JobState.FAILED, name
        assert {call.provider for step in trace.steps for call in step.calls} <= {"local"}, name
    (step,) = traces["closed"].steps
    assert step.error_kind == "privacy"
    assert step.error is not None
    for part in ("card (1)", "email (1)", "messages[0].content", "'mini' is external", "privacy: {model: NAME}"):
        assert part in step.error
    assert "privacy: the query holds card (1), email (1)" in str(traces["by_none"].error)
    assert "must not see the request" in str(traces["local_fails"].error)
    assert "must not see the request" in str(traces["local_fails_behind"].error)


def test_what_was_found_is_told_nowhere(line: tuple[World, Tap], traces: dict[str, TraceView]) -> None:
    world, _ = line
    for name, trace in traces.items():
        for step in trace.steps:
            told = json.dumps([decision.model_dump() for decision in step.decisions]) + str(step.error)
            assert not any(part in told for part in (CARD, EMAIL, "4111", "ada.")), (name, told)
    for process in world.processes:
        assert not any(part in world.log(process) for part in (CARD, EMAIL))


def test_route_explains_what_is_ruled_out_and_what_is_moved(line: tuple[World, Tap]) -> None:
    world, _ = line
    (explained,) = world.lines("route", "by_none", TEXT)
    assert explained["sensitive"] == {"card": 1, "email": 1}
    assert explained["routes"][0]["choice"] is None
    assert set(explained["routes"][0]["features"]["ruled_out"]) == {"to.0", "to.1"}
    (explained,) = world.lines("route", "plain", TEXT)
    (call,) = explained["calls"]
    assert (call["model"], call["in_house"]) == ("luna", "house")
    assert CARD not in world.run("route", "plain", TEXT).stdout


def test_who_is_asked_again_in_the_house_is_asked_there_alone(traces: dict[str, TraceView]) -> None:
    (step,) = traces["by_schema"].steps
    assert {call.provider for call in step.calls} == {"local"}
    assert [attempt.error_kind for call in step.calls for attempt in call.attempts] == ["invalid_output"] * 3
    assert (step.state, step.error_kind) == (StepState.FAILED, "invalid_output")


@pytest.mark.parametrize("pipeline", ["plain", "by_privacy"])
def test_writers_do_not_wait_while_a_long_text_is_looked_into(line: tuple[World, Tap], pipeline: str) -> None:
    world, tap = line
    hostile = "+44 20 7946 0958 ext " * 20_000
    waits: list[float] = []
    with world.client() as client:
        handle = client.submit(pipeline, hostile)
        while not handle.state.terminal:
            started = time.monotonic()
            with world.database.write():
                waits.append(time.monotonic() - started)
            time.sleep(0.01)
        trace = handle.trace()
    assert [call.model for step in trace.steps for call in step.calls] == ["house"]
    assert "phone (20000)" in trace.steps[0].decisions[0].reason or pipeline != "plain"
    assert not tap.saw("7946")
    print(f"longest wait of {len(waits)} writers: {max(waits):.2f} s")
    assert max(waits) < 1
