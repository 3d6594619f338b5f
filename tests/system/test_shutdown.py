"""A worker that is told to stop lets its calls in flight end, hands back the rest, and loses nothing either way."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirepoix import Call, Handle, JobState
from tests.system.world import World, open_world, start_emulator

pytestmark = pytest.mark.system

LATENCY = 4.0
SETTINGS = {"MIREPOIX_LEASE": "3"}


@pytest.fixture
def slow_world(tmp_path: Path) -> Iterator[World]:
    """Calls take four seconds."""
    scenario = tmp_path / "scenario.json"
    scenario.write_text(json.dumps({"latency": {"min": LATENCY, "max": LATENCY}}))
    with open_world(tmp_path, emulate=False, settings=SETTINGS) as opened:
        start_emulator(opened, 1.0, "--scenario", str(scenario))
        opened.start_workers("orchestrate")
        yield opened


def restart_in_mid_air(world: World, grace: str, how: list[signal.Signals]) -> tuple[Handle, float]:
    """Stop the worker of `openai` while a call is out, then start another; the job, and seconds that the stop took."""
    world.environ["MIREPOIX_GRACE"] = grace
    world.start_workers("openai")
    with world.client() as client:
        handle = client.submit(Call(model="luna"), "one")
        world.until(lambda: handle.view().calls == 1, "the call to be out")
    time.sleep(LATENCY / 4)  # the request has left
    started = time.monotonic()
    for signum in how[:-1]:
        world.processes["openai"].send_signal(signum)
        time.sleep(0.3)
    world.stop("openai", how[-1])
    took = time.monotonic() - started
    world.start_workers("openai")
    return handle, took


def outcomes(world: World, handle: Handle) -> tuple[JobState, list[str], int]:
    """How the job ended, how its attempts did, and how often it was billed."""
    with world.client() as client:
        again = client.get(handle.id)
        view = again.wait(30)
        attempts = [a.outcome for step in again.trace().steps for call in step.calls for a in call.attempts]
    return view.state, attempts, sum(handle.id in tag for tag in world.bill()["by_tag"])


def test_a_call_in_flight_ends_within_the_grace_time(slow_world: World) -> None:
    handle, took = restart_in_mid_air(slow_world, "20", [signal.SIGTERM])
    assert LATENCY / 2 < took < 15
    assert outcomes(slow_world, handle)[:2] == (JobState.SUCCEEDED, ["answered"])


def test_after_the_grace_time_a_call_is_given_up_and_handed_to_the_next_worker(slow_world: World) -> None:
    handle, took = restart_in_mid_air(slow_world, "0.3", [signal.SIGTERM])
    assert took < LATENCY
    assert outcomes(slow_world, handle)[:2] == (JobState.SUCCEEDED, ["failed", "answered"])


@pytest.mark.parametrize("how", [[signal.SIGTERM, signal.SIGTERM], [signal.SIGTERM, signal.SIGKILL], [signal.SIGKILL]])
def test_a_worker_that_is_not_given_time_loses_nothing(slow_world: World, how: list[signal.Signals]) -> None:
    handle, _ = restart_in_mid_air(slow_world, "20", how)
    state, attempts, _ = outcomes(slow_world, handle)
    assert state is JobState.SUCCEEDED
    assert attempts[-1] == "answered"
    assert len(attempts) <= 2


def test_what_waits_in_the_queue_goes_on_elsewhere_when_its_worker_stops(slow_world: World) -> None:
    slow_world.start_workers("openai")
    with slow_world.client() as client:
        handles = client.submit_many(Call(model="luna"), [f"question {number}" for number in range(60)])
        slow_world.until(lambda: sum(handle.view().calls for handle in handles[:5]) > 0, "the first calls")
        slow_world.stop("openai")
        slow_world.start_workers("openai")
        views = list(client.as_ended(handles, 60))
    assert {view.state for view in views} == {JobState.SUCCEEDED}
    billed = slow_world.bill()["by_tag"]
    assert {tag["billed"] for tag in billed.values()} == {1}
    assert len(billed) == len(handles)
