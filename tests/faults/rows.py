"""The faults, one function each, in the order of the matrix."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx

from tests.faults.round import Round, Row
from tests.faults.stack import WORKERS, faketime
from tests.faults.worker import publishing_twice

HOLD = 5.0
"""Seconds for which something is out of reach."""
DOWN = 10.0
FLUSHING = 3.0
SKEW = 300
RESTARTS = 10
UPTIME = 0.7
"""Seconds for which a broker that is killed again and again is up each time."""


def nothing(_: Round) -> None:
    """The row to compare with."""


def kill_worker_twice(row: Round) -> None:
    """SIGKILL the workers of the providers in the midst of their calls, and the next ones when they are at work."""
    for _ in range(2):
        for name in ("openai", "local"):
            row.stack.kill_worker(name)
        row.stack.start_workers("openai", "local")
        time.sleep(0.5)


def kill_orchestrator(row: Round) -> None:
    """SIGKILL the process that decides and repairs."""
    row.stack.kill_worker("orchestrate")
    time.sleep(1)
    row.stack.start_workers("orchestrate")


def roll_workers(row: Round) -> None:
    """SIGTERM one worker after the other, each replaced by a new one before the next."""
    for name in WORKERS:
        row.stack.world.stop(name)
        row.stack.start_workers(name)


def kill_broker(row: Round) -> None:
    """SIGKILL the broker and start it again on its data."""
    row.stack.broker.kill()
    time.sleep(0.5)
    row.stack.broker.start()


def wipe_broker(row: Round) -> None:
    """SIGKILL the broker, throw its data away, and start it empty."""
    row.stack.broker.kill()
    row.stack.broker.wipe()
    row.stack.broker.start()


def freeze_broker(row: Round) -> None:
    """Let the broker stand still: connections stay open, nothing answers."""
    row.stack.broker.freeze()
    time.sleep(HOLD)
    row.stack.broker.thaw()


def flush_redis(row: Round) -> None:
    """Let all that Redis keeps beside the queues vanish, again and again: who has a place at a provider, breakers."""
    client = row.stack.world.redis()
    until = time.monotonic() + FLUSHING
    while time.monotonic() < until:
        if row.stack.redis is not row.stack.broker:
            client.flushdb()
        elif kept := list(client.scan_iter("mirepoix:*", count=1000)):
            client.delete(*kept)
        time.sleep(0.05)
    client.close()


def stop_database(row: Round) -> None:
    """Take the database away: PostgreSQL is stopped and started; SQLite's write lock is held by somebody else."""
    row.stack.database.stop()
    time.sleep(HOLD)
    row.stack.database.start()


def stop_providers(row: Round) -> None:
    """SIGKILL the providers; after ten seconds they are back, with their bill."""
    row.stack.world.stop("emulator", signal.SIGKILL)
    time.sleep(DOWN)
    row.stack.start_emulator()


def restart_broker_often(row: Round) -> None:
    """SIGKILL the broker and start it again, ten times, while jobs come in."""
    for _ in range(RESTARTS):
        row.stack.broker.kill()
        row.stack.broker.start()
        time.sleep(UPTIME)


def kill_producer(row: Round) -> None:
    """Wait for the end of the producer, which `submit_and_die` brings about."""


def submit_and_die(row: Round) -> None:
    """Submit in bulk from another process, SIGKILL that half-way, and let a second one finish the work."""
    world = row.stack.world
    seed, jobs = row.seed, str(len(row.tasks))
    command = [sys.executable, "-P", "-m", "tests.faults.producer", row.tenant, seed, jobs]
    for half in (True, False):
        producer = subprocess.Popen(
            command, env=world.environ, stdout=subprocess.PIPE, text=True, cwd=world.settings.home
        )
        assert producer.stdout is not None
        for line in producer.stdout:
            row.accepted.add(line.strip())
            if half and len(row.accepted) >= len(row.tasks) // 2:
                producer.kill()
                break
        row.accepted |= {line.strip() for line in producer.stdout if line.endswith("\n")}
        producer.wait()


@contextmanager
def provider_faults(row: Round, *faults: dict[str, Any]) -> Iterator[None]:
    """Let the emulated providers misbehave, and behave again afterwards."""
    url = f"{row.stack.world.settings.emulator_url}/__emu/faults"
    httpx.post(url, json={"faults": list(faults)}, timeout=10, trust_env=False).raise_for_status()
    try:
        yield
    finally:
        httpx.post(url, json={"faults": []}, timeout=10, trust_env=False).raise_for_status()


TROUBLE = (
    {"kind": "status", "status": 429, "retry_after": 0.2, "probability": 0.08},
    {"kind": "status", "status": 500, "probability": 0.08},
    {"kind": "status", "status": 529, "probability": 0.07},
    {"kind": "drop", "probability": 0.07},
    {"kind": "hang", "seconds": 10, "probability": 0.03},
)
"""Each is drawn after the one before it did not strike: about 30 % together."""


@contextmanager
def delivering_twice(row: Round) -> Iterator[None]:
    """Let all workers, and the producer, publish each message twice."""
    before = row.stack.broken
    row.stack.restart_workers(before | {"twice"})
    try:
        with publishing_twice():
            yield
    finally:
        row.stack.restart_workers(before)


@contextmanager
def a_wrong_clock(row: Round) -> Iterator[None]:
    """Add an orchestrator that lives five minutes in the future, and providers' workers five minutes in the past."""
    stack = row.stack
    row.skewed = True
    extra = {"tomorrow": ("orchestrate", SKEW), "yesterday": ("openai", -SKEW)}
    for name, (serves, seconds) in extra.items():
        stack.spawn_worker(name, serves, **faketime(seconds))
    for name in extra:
        stack.world.until(partial(stack.is_alive, name), f"worker {name} to start")
    try:
        yield
    finally:
        for name in extra:
            stack.world.stop(name)


ROWS = (
    Row("no-fault", nothing),
    Row("worker-killed-twice", kill_worker_twice),
    Row("orchestrator-killed", kill_orchestrator),
    Row("rolling-restart", roll_workers),
    Row("broker-killed", kill_broker),
    Row("broker-wiped", wipe_broker),
    Row("broker-frozen", freeze_broker),
    Row("redis-flushed", flush_redis),
    Row("database-away", stop_database),
    Row("provider-trouble", nothing, around=lambda row: provider_faults(row, *TROUBLE)),
    Row("provider-down", stop_providers, feed=DOWN),
    Row("producer-killed", kill_producer, submits=submit_and_die),
    Row("delivered-twice", nothing, around=delivering_twice),
    Row("broker-killed-10x", restart_broker_often, feed=RESTARTS * 1.0),
    Row(
        "billed-and-dropped",
        nothing,
        around=lambda row: provider_faults(row, {"kind": "billed_then_drop", "probability": 0.2}),
    ),
    Row("clock-off", nothing, around=a_wrong_clock),
)
