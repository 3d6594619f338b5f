"""A step that kills whoever works on it is set aside in the end, and the jobs beside it are not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mirepoix import JobState
from tests.system.world import CONFIG, World, open_world
from workers.reconciler import MOST_CRASHES

pytestmark = pytest.mark.system

DEADLY = """
import os, signal

def die(prompt):
    os.kill(os.getpid(), signal.SIGKILL)
"""
PATIENCE = 90.0


def restart_what_died(world: World) -> int:
    """As a supervisor would; returns how many processes it started again."""
    died = [name for name, process in world.processes.items() if process.poll() is not None]
    for name in died:
        del world.processes[name]
        world.start_workers(name)
    return len(died)


def test_a_step_that_kills_its_workers_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "deadly.py").write_text(DEADLY)
    config = tmp_path / "crashes.yaml"
    config.write_text(
        CONFIG.read_text().replace("models:\n", 'models:\n  deadly: {provider: local, callable: "deadly:die"}\n', 1)
        + "  kills: {call: {model: deadly}}\n"
    )
    with open_world(tmp_path, config=config, settings={"MIREPOIX_LEASE": "1"}) as world, world.client() as client:
        world.start_workers("orchestrate", "openai", "anthropic", "local")
        poison = client.submit("kills", "hello")
        crashes, deadline = 0, time.monotonic() + PATIENCE
        while not poison.state.terminal:
            crashes += restart_what_died(world)
            assert time.monotonic() < deadline, f"still {poison.state} after {crashes} crashes"
            time.sleep(0.1)
        view = poison.view()
        assert (view.state, view.error_kind) == (JobState.FAILED, "gave_up")
        assert f"{MOST_CRASHES} processes died" in (view.error or "")
        assert crashes == MOST_CRASHES
        attempts = [a.outcome for step in poison.trace().steps for call in step.calls for a in call.attempts]
        assert attempts == ["unknown"] * MOST_CRASHES
        assert client.submit("report", "Good work. It goes on.").result(30)
