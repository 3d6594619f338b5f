"""A worker that is told to stop lets its calls in flight end, hands back the rest, and loses nothing either way."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from mirepoix import Call, JobState
from tests.system.world import World, open_world, start_emulator

pytestmark = pytest.mark.system

LATENCY = 3.0
SETTINGS = {"MIREPOIX_LEASE": "3"}


@pytest.fixture(scope="module")
def slow_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Calls take three seconds; each test starts and stops the worker of `openai`."""
    home = tmp_path_factory.mktemp("shutdown")
    scenario = home / "scenario.json"
    scenario.write_text(json.dumps({"latency": {"min": LATENCY, "max": LATENCY}}))
    with open_world(home, emulate=False, settings=SETTINGS) as opened:
        start_emulator(opened, 1.0, "--scenario", str(scenario))
        opened.start_workers("orchestrate")
        yield opened


@dataclass(frozen=True)
class Restarted:
    """How the job of a call ended whose worker was stopped, how its attempts did, and how long the stop took."""

    state: JobState
    attempts: list[str]
    took: float


def restart_in_mid_air(world: World, grace: str, how: list[signal.Signals]) -> Restarted:
    """Stop the worker of `openai` while a call is out, start another, and wait for the job."""
    world.environ["MIREPOIX_GRACE"] = grace
    world.start_workers("openai")
    with world.client() as client:
        handle = client.submit(Call(model="luna"), f"{grace} {how}")
        world.until(lambda: handle.view().calls == 1, "the call to be out")
        time.sleep(LATENCY / 4)  # the request has left
        started = time.monotonic()
        for signum in how[:-1]:
            world.processes["openai"].send_signal(signum)
            time.sleep(0.3)
        world.stop("openai", how[-1])
        took = time.monotonic() - started
        world.start_workers("openai")
        view = handle.wait(30)
        world.stop("openai")
        attempts = [a.outcome for step in handle.trace().steps for call in step.calls for a in call.attempts]
    return Restarted(view.state, attempts, took)


def test_a_call_in_flight_ends_within_the_grace_time(slow_world: World) -> None:
    restarted = restart_in_mid_air(slow_world, "20", [signal.SIGTERM])
    assert (restarted.state, restarted.attempts) == (JobState.SUCCEEDED, ["answered"])
    assert LATENCY / 2 < restarted.took < 15


def test_after_the_grace_time_a_call_is_given_up_and_handed_to_the_next_worker(slow_world: World) -> None:
    restarted = restart_in_mid_air(slow_world, "0.3", [signal.SIGTERM])
    assert (restarted.state, restarted.attempts) == (JobState.SUCCEEDED, ["failed", "answered"])
    assert restarted.took < LATENCY


@pytest.mark.parametrize("how", [[signal.SIGTERM, signal.SIGTERM], [signal.SIGTERM, signal.SIGKILL], [signal.SIGKILL]])
def test_a_worker_that_is_not_given_time_loses_nothing(slow_world: World, how: list[signal.Signals]) -> None:
    restarted = restart_in_mid_air(slow_world, "20", how)
    assert restarted.state is JobState.SUCCEEDED
    assert restarted.attempts[-1] == "answered"
    assert len(restarted.attempts) <= 2


def test_what_waits_in_the_queue_goes_on_elsewhere_when_its_worker_stops(slow_world: World) -> None:
    slow_world.start_workers("openai")
    with slow_world.client() as client:
        handles = client.submit_many(Call(model="luna"), [f"question {number}" for number in range(60)])
        slow_world.until(lambda: sum(handle.view().calls for handle in handles[:5]) > 0, "the first calls")
        slow_world.stop("openai")
        slow_world.start_workers("openai")
        views = list(client.as_ended(handles, 60))
    slow_world.stop("openai")
    assert {view.state for view in views} == {JobState.SUCCEEDED}
    billed = [slow_world.bill()["by_tag"][f"{handle.id}/$"]["billed"] for handle in handles]
    assert billed == [1] * len(handles)
