"""A tenant with ten thousand jobs does not hold up another's ten, nor its own urgent one."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirepoix import Client, JobState
from tests.system.world import World, open_world, start_emulator

pytestmark = pytest.mark.system

MANY, FEW = 10_000, 10
SMALL_MULTIPLE = 4
SLACK = 1.0
"""Seconds for a machine that does much else at the same time."""


@pytest.fixture
def busy_world(tmp_path: Path) -> Iterator[World]:
    """Calls take 0.2 s."""
    scenario = tmp_path / "scenario.json"
    scenario.write_text(json.dumps({"latency": {"min": 0.2, "max": 0.2}}))
    with open_world(tmp_path, emulate=False) as opened:
        start_emulator(opened, 1.0, "--scenario", str(scenario))
        opened.start_workers("orchestrate", "openai")
        yield opened


def time_few(client: Client, tenant: str) -> float:
    """Seconds that some jobs of a tenant take, all together."""
    started = time.monotonic()
    handles = client.submit_many("only_openai", [f"{tenant} {number}" for number in range(FEW)], tenant=tenant)
    assert {view.state for view in client.as_ended(handles, 60)} == {JobState.SUCCEEDED}
    return time.monotonic() - started


def test_ten_thousand_jobs_of_one_tenant_hold_up_nobody(busy_world: World) -> None:
    with busy_world.client() as client:
        time_few(client, "first")  # opens connections
        alone = time_few(client, "light")
        started = time.monotonic()
        backlog = client.submit_many("only_openai", [f"heavy {number}" for number in range(MANY)], tenant="heavy")
        accepted = time.monotonic() - started
        beside = time_few(client, "light")
        started = time.monotonic()
        client.submit("only_openai", "urgent", tenant="heavy", priority=9).result(60)
        urgent = time.monotonic() - started
        waiting = sum(view.state is not JobState.SUCCEEDED for view in client.jobs(limit=MANY))
        print(
            f"{MANY} jobs accepted in {accepted:.1f} s ({MANY / accepted:.0f}/s); {FEW} jobs of another tenant took "
            f"{alone:.2f} s before, {beside:.2f} s beside them; an urgent job of the same tenant took {urgent:.2f} s; "
            f"{waiting} jobs still waited then"
        )
        assert waiting > MANY / 2, "there was no backlog to be held up by"
        assert beside < SMALL_MULTIPLE * alone + SLACK
        assert urgent < SMALL_MULTIPLE * alone + SLACK
        assert backlog[-1].view().state is not JobState.SUCCEEDED
