"""What a job costs beyond its call: calls per second through Mirepoix, through bare Celery, and straight from httpx.

All three ask the same emulated model (no latency), 50 calls in flight, in turns, on one machine; the medians count.
Mirepoix does more for its time: it claims, prices and records each call, and survives what bare Celery does not.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import httpx
import typer
from celery import group
from httpx_aiohttp import AiohttpTransport
from rich.console import Console
from rich.table import Table

from mirepoix import Call, Client, Settings
from mirepoix.config_file import parse_config
from workers.stack import Plan, Stack

IN_FLIGHT = 50
MODEL = "gpt-5.4-mini"
CONFIG = f"""
providers: {{openai: {{api: openai, concurrency: {IN_FLIGHT}}}}}
models: {{mini: {{provider: openai, name: {MODEL}}}}}
"""
BODY = {"model": MODEL, "messages": [{"role": "user", "content": "What is 2 + 2?"}], "max_completion_tokens": 16}
HEADERS = {"authorization": "Bearer emulated"}


def main(
    calls: Annotated[int, typer.Option(help="Calls in each round.")] = 600,
    rounds: Annotated[int, typer.Option(help="Rounds of each, in turns.")] = 3,
) -> None:
    """Measure and print a table."""
    with (
        tempfile.TemporaryDirectory() as home,
        _stack(Path(home)) as stack,
        _bare_worker(stack.settings),
        Client(stack.settings) as client,
    ):
        contestants = {
            "httpx alone": lambda: asyncio.run(_httpx(str(stack.settings.emulator_url), calls)),
            "bare Celery": lambda: _bare_celery(calls),
            "Mirepoix": lambda: _mirepoix(client, calls),
        }
        rates = _in_turns(contestants, calls, rounds)
    table = Table(title=f"{calls} calls, {IN_FLIGHT} in flight, median of {rounds} rounds")
    for heading in ("", "calls/s", "ms a call", "times httpx alone"):
        table.add_column(heading, justify="right")
    for name, rate in rates.items():
        table.add_row(name, f"{rate:,.0f}", f"{1000 / rate:.2f}", f"{rates['httpx alone'] / rate:.1f}")
    Console().print(table)


def _in_turns(contestants: dict[str, Callable[[], None]], calls: int, rounds: int) -> dict[str, float]:
    """Calls per second of each; one unmeasured round first."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, run in contestants.items():
            started = time.monotonic()
            run()
            if turn > 0:
                seconds[name].append(time.monotonic() - started)
    return {name: calls / statistics.median(taken) for name, taken in seconds.items()}


async def _httpx(url: str, calls: int) -> None:
    gate = asyncio.Semaphore(IN_FLIGHT)
    async with httpx.AsyncClient(transport=AiohttpTransport(), headers=HEADERS, trust_env=False) as client:

        async def ask() -> None:
            async with gate:
                (await client.post(f"{url}/v1/chat/completions", json=BODY)).raise_for_status()

        await asyncio.gather(*(ask() for _ in range(calls)))


def _bare_celery(calls: int) -> None:
    from bench.bare_celery import ask

    group(ask.s(BODY) for _ in range(calls)).apply_async().get(timeout=120)


def _mirepoix(client: Client, calls: int) -> None:
    handles = client.submit_many(Call(model="mini", max_tokens=16), ["What is 2 + 2?"] * calls)
    for _ in client.as_ended(handles, timeout=120):
        pass


@contextmanager
def _stack(home: Path) -> Iterator[Stack]:
    config_path = home / "mirepoix.yaml"
    config_path.write_text(CONFIG)
    settings = replace(Settings.from_env({"MIREPOIX_HOME": str(home)}), config_path=config_path)
    with Stack(settings, parse_config(CONFIG), Plan(emulate=True, time_scale=0, flower_port=None), print) as stack:
        yield stack


@contextmanager
def _bare_worker(settings: Settings) -> Iterator[None]:
    urls = {"BENCH_BROKER_URL": settings.broker_url, "BENCH_PROVIDER_URL": f"{settings.emulator_url}/v1"}
    os.environ.update(urls)
    options = [
        "--pool=threads",
        f"--concurrency={IN_FLIGHT}",
        "--without-gossip",
        "--without-mingle",
        "--loglevel=ERROR",
    ]
    command = [sys.executable, "-m", "celery", "--quiet", "--app=bench.bare_celery", "worker", *options]
    process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


if __name__ == "__main__":
    typer.run(main)
