"""Jobs end when they are told to, or when a bound of theirs is reached; and what was spent stays recorded."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from decimal import Decimal

import pytest

from mirepoix import Call, Handle, JobState
from mirepoix.errors import JobFailed
from tests.system.world import CONFIG, World, open_world, start_emulator

pytestmark = pytest.mark.system

CAP = Decimal("0.0008")
CAPPED = f"tenants: {{capped: {{daily_cost: {CAP}}}}}\n"
CALLS = 200


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Calls take 0.3 s, but those about the Nile never end; the tenant `capped` has a daily cap."""
    home = tmp_path_factory.mktemp("bounds")
    scenario = home / "scenario.json"
    hangs = {"kind": "hang", "seconds": 60, "match": {"contains": "Nile"}}
    scenario.write_text(json.dumps({"latency": {"min": 0.3, "max": 0.3}, "faults": [hangs]}))
    config = home / "bounds.yaml"
    config.write_text(CONFIG.read_text() + CAPPED)
    with open_world(home, config=config, emulate=False, settings={"MIREPOIX_LEASE": "4"}) as opened:
        start_emulator(opened, 1.0, "--scenario", str(scenario))
        opened.start_workers("orchestrate", "openai", "anthropic", "local")
        yield opened


def until_in_flight(world: World, handle: Handle) -> None:
    """Wait until a call of the job is out."""
    world.until(
        lambda: any(
            attempt.outcome == "in_flight"
            for step in handle.trace().steps
            for call in step.calls
            for attempt in call.attempts
        ),
        "a call in flight",
    )


def all_given_up(handle: Handle) -> bool:
    """Whether each attempt of the job was given up, by us or at the job's deadline, and written down as such."""
    steps = handle.trace().steps
    return {a.error_kind for step in steps for call in step.calls for a in call.attempts} <= {"aborted", "timeout"}


def test_a_cancelled_job_gives_up_its_calls_in_flight_within_two_seconds(world: World) -> None:
    with world.client() as client:
        handle = client.submit("decide", "How long is the Nile?")
        until_in_flight(world, handle)
        started = time.monotonic()
        assert handle.cancel()
        world.until(lambda: all_given_up(handle), "the calls to be given up")
        took = time.monotonic() - started
        print(f"calls in flight were given up {took:.2f} s after the job was cancelled")
        assert took < 2
        assert handle.state is JobState.CANCELLED
        assert not handle.cancel()


def test_what_was_spent_before_a_job_was_cancelled_stays_recorded(world: World) -> None:
    with world.client() as client:
        handle = client.submit("report", "How long is the Nile? It is long.", tenant="cancelled")
        world.until(lambda: handle.view().calls >= 3, "the third step")
        assert handle.cancel()
        assert handle.view().calls >= 3


def test_a_job_fails_at_its_deadline_and_gives_up_its_calls(world: World) -> None:
    with world.client() as client:
        handle = client.submit("only_openai", "How long is the Nile?", deadline=1.5)
        started = time.monotonic()
        with pytest.raises(JobFailed, match="its deadline passed"):
            handle.result(20)
        print(f"a deadline of 1.5 s ended the job after {time.monotonic() - started:.2f} s")
        assert handle.view().error_kind == "deadline"
        world.until(lambda: all_given_up(handle), "the call to be given up")


def test_a_job_that_is_over_its_budget_fails_with_what_it_spent(world: World) -> None:
    with world.client() as client:
        handle = client.submit("report", "The Danube is a river. It is long.", max_cost=Decimal("0.0006"))
        with pytest.raises(JobFailed, match=r"the job may cost 0\.0006 USD; 0\.\d+ USD are spent"):
            handle.result(30)
        view = handle.view()
        assert view.error_kind == "over_budget"
        assert 0 < view.cost_usd <= Decimal("0.0006")
        assert not any(step.path == "report" and step.calls for step in handle.trace().steps)


def test_two_hundred_calls_at_once_cannot_overspend_a_daily_cap(world: World) -> None:
    with world.client() as client:
        questions = [f"What is {number} plus {number}?" for number in range(CALLS)]
        handles = client.submit_many(Call(model="luna", max_tokens=60), questions, tenant="capped")
        views = list(client.as_ended(handles, 100))
    spent = sum((view.cost_usd for view in views), Decimal(0))
    done = sum(view.state is JobState.SUCCEEDED for view in views)
    print(f"{CALLS} calls at once under a cap of {CAP} USD: {done} answered, {spent} USD spent")
    assert {view.error_kind for view in views if view.state is JobState.FAILED} == {"over_budget"}
    assert 0 < done < CALLS
    assert CAP / 2 < spent <= CAP
