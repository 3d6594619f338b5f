"""A tenant with ten thousand jobs does not hold up another's ten, nor its own urgent one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirepoix import Client, JobState
from mirepoix.views import JobView
from tests.system.world import World, open_world, start_emulator

pytestmark = pytest.mark.system

MANY, FEW = 10_000, 10
PASSED = 500
"""Calls of the backlog that may be answered while others wait: their start and their call each take a turn, and up to
a hundred calls are out at a time. In order of arrival, it would be all of the backlog."""


@pytest.fixture
def busy_world(tmp_path: Path) -> Iterator[World]:
    """Calls take 0.2 s."""
    scenario = tmp_path / "scenario.json"
    scenario.write_text(json.dumps({"latency": {"min": 0.2, "max": 0.2}}))
    with open_world(tmp_path, emulate=False) as opened:
        start_emulator(opened, 1.0, "--scenario", str(scenario))
        opened.start_workers("orchestrate", "openai")
        yield opened


def ask_few(client: Client, tenant: str, priority: int = 0) -> list[JobView]:
    """Some jobs of a tenant, asked for together, when they have ended."""
    questions = [f"{tenant} {number}" for number in range(FEW)]
    handles = client.submit_many("only_openai", questions, tenant=tenant, priority=priority)
    ended = list(client.as_ended(handles, 60))
    assert {view.state for view in ended} == {JobState.SUCCEEDED}
    return ended


def ended_meanwhile(backlog: list[JobView], jobs: list[JobView]) -> int:
    """How many of the backlog ended between the first submission of some jobs and the end of the last of them."""
    first, last = min(job.created_at for job in jobs), max(job.finished_at for job in jobs if job.finished_at)
    return sum(job.finished_at is not None and first < job.finished_at < last for job in backlog)


def test_ten_thousand_jobs_of_one_tenant_hold_up_nobody(busy_world: World) -> None:
    with busy_world.client() as client:
        handles = client.submit_many("only_openai", [f"heavy {number}" for number in range(MANY)], tenant="heavy")
        light = ask_few(client, "light")
        urgent = ask_few(client, "heavy", priority=9)
        waiting = [view for view in client.jobs(tenant="heavy", limit=MANY) if view.state is not JobState.SUCCEEDED]
        assert len(waiting) > MANY / 2, "there was no backlog to be held up by"
        assert handles[-1].view().state is not JobState.SUCCEEDED
        backlog = client.jobs(tenant="heavy", state=JobState.SUCCEEDED, limit=MANY)
    beside_light, beside_urgent = ended_meanwhile(backlog, light), ended_meanwhile(backlog, urgent)
    print(f"{len(waiting)} waited; {beside_light} passed jobs of another tenant, {beside_urgent} passed urgent ones")
    assert beside_light < PASSED
    assert beside_urgent < PASSED
