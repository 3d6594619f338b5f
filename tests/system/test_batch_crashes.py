"""Batches whose worker is killed at each point of their way: nothing is lost, and nothing is billed twice."""

from __future__ import annotations

import signal
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from mirepoix import JobState
from mirepoix.ledger.tables import Attempt
from tests.system.toll import Toll, toll
from tests.system.world import World, open_world

pytestmark = [pytest.mark.system, pytest.mark.long, pytest.mark.timeout(600)]

CONFIG = Path(__file__).parent / "batches.yaml"
KEY = {"authorization": "Bearer emulated", "x-api-key": "emulated", "anthropic-version": "2023-06-01"}
OFTEN = "wait: 1, poll: 0.2"
WAYS = {
    "openai": (
        "ask_luna",
        "/v1/batches",
        ("POST /v1/files", "POST /v1/batches", "GET /v1/batches/[^/]+", "GET /v1/files/.*/content"),
    ),
    "anthropic": (
        "ask_haiku",
        "/v1/messages/batches",
        ("POST /v1/messages/batches", "GET /v1/messages/batches/[^/]+", "GET /v1/messages/batches/.*/results"),
    ),
}


def rows(world: World) -> list[dict[str, Any]]:
    """The emulator's bill."""
    found: list[dict[str, Any]] = httpx.get(f"{world.settings.emulator_url}/_bill?rows=true", trust_env=False).json()[
        "rows"
    ]
    return found


@pytest.mark.parametrize(
    ("provider", "jobs"),
    [("openai", 1_000), ("anthropic", 1_000)],
)
def test_a_batch_survives_the_death_of_its_worker_at_any_point(tmp_path: Path, provider: str, jobs: int) -> None:
    pipeline, address, points = WAYS[provider]
    config = tmp_path / "mirepoix.yaml"
    config.write_text(CONFIG.read_text().replace(OFTEN, f"wait: 60, poll: 0.2, requests: {jobs // 2}"))
    with open_world(tmp_path, config=config, time_scale=1 / 60, settings={"MIREPOIX_LEASE": "2"}) as world:
        with toll(world.settings.emulator_url or "") as line, world.client() as client:
            world.environ["MIREPOIX_EMULATOR_URL"] = line.url
            world.start_workers("orchestrate", provider)
            handles = client.submit_many(pipeline, (f"Question {number}?" for number in range(jobs)), latency="batch")
            for point in points:
                kill_at(world, line, provider, point, late=0.5 if point == points[-1] else 0.0)
            ended = list(client.as_ended(handles, 240))
        sent = httpx.get(f"{world.settings.emulator_url}{address}?limit=100", headers=KEY, trust_env=False).json()[
            "data"
        ]
        with world.database.read() as connection:
            batches = connection.scalar(select(func.count(func.distinct(Attempt.batch))))
            spent = connection.scalar(select(func.sum(Attempt.cost, type_=Attempt.cost.type)))
            asked = connection.scalar(select(func.count()).select_from(Attempt))
        billed = [row for row in rows(world) if row["billed"]]
    assert {view.state for view in ended} == {JobState.SUCCEEDED}
    assert (len(billed), len({row["prompt_hash"] for row in billed}), asked) == (jobs, jobs, jobs)
    assert len(sent) == batches == 2
    assert spent == sum(Decimal(row["cost_usd"]) for row in billed)
    # Half of what it costs alone, by the emulated price per million of tokens.
    price = {"openai": (Decimal("0.10"), Decimal("0.50")), "anthropic": (Decimal(1), Decimal(5))}[provider]
    full = sum(row["input_tokens"] * price[0] + row["output_tokens"] * price[1] for row in billed) / 1_000_000
    assert spent == full / 2


def kill_at(world: World, line: Toll, provider: str, point: str, *, late: float) -> None:
    """Kill the provider's worker before it hears the answer to `point`, or `late` seconds after that; start another."""
    process = world.processes.pop(provider)

    def strike() -> None:
        if late:
            threading.Timer(late, process.send_signal, (signal.SIGKILL,)).start()
        else:
            process.send_signal(signal.SIGKILL)
            process.wait(10)

    line.arm(point, strike)
    assert line.struck.wait(60), point
    process.wait(late + 10)
    time.sleep(0.1)  # what the dead process had under way in the kernel is done
    world.start_workers(provider)
