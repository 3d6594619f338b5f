"""`mirepoix up` and `mirepoix demo` as a newcomer runs them, and what they leave behind: nothing."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from tests import processes
from tests.system.world import clean_environ
from workers.stack import free_port

pytestmark = [pytest.mark.system, pytest.mark.embedded]


def command(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `mirepoix <arguments>` in `home` with nothing configured."""
    return processes.run("cli", *arguments, environ=clean_environ(), folder=home, timeout=110)


@contextmanager
def up(home: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """`mirepoix up` in the background, and the addresses that it prints once everything runs."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "cli", "up", "--json", *arguments],
        env=clean_environ(),
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        yield process, json.loads(line)
    finally:
        if process.poll() is None:
            process.terminate()  # killed, it would leave its broker to the next one
        process.communicate(timeout=60)


def processes_of(home: Path) -> list[str]:
    """The command lines of all living processes whose environment or arguments name `home`."""
    found: list[str] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environ, line = (folder / "environ").read_bytes(), (folder / "cmdline").read_bytes()
            cwd = str((folder / "cwd").readlink())
        except OSError:
            continue
        if folder.name != str(os.getpid()) and (str(home).encode() in environ + line or cwd.startswith(str(home))):
            found.append(line.replace(b"\0", b" ").decode(errors="replace"))
    return found


def wait_until_gone(home: Path, patience: float = 30) -> None:
    deadline = time.monotonic() + patience
    while living := processes_of(home):
        assert time.monotonic() < deadline, f"left behind: {living}"


def test_init_up_submit_and_stop_on_a_fresh_machine(tmp_path: Path) -> None:
    assert command(tmp_path, "init").returncode == 0
    port = free_port()
    with up(tmp_path, "--emulate", "--flower-port", str(port)) as (process, addresses):
        assert httpx.get(f"{addresses['flower_url']}/api/workers?refresh=1", timeout=20).json()
        done = command(tmp_path, "submit", "ask", "What is the capital of France?", "--wait", "--json")
        assert json.loads(done.stdout)["state"] == "succeeded", done.stderr
        again = command(tmp_path, "up", "--emulate", "--flower-port", "0")
        assert again.returncode == 1
        assert "runs in" in again.stderr
        process.send_signal(signal.SIGINT)
        assert process.wait(40) == 0
    wait_until_gone(tmp_path)


def test_up_starts_a_worker_that_died_again_and_its_jobs_go_on(tmp_path: Path) -> None:
    assert command(tmp_path, "init").returncode == 0
    with up(tmp_path, "--emulate", "--time-scale", "0", "--flower-port", "0") as (process, _):
        (worker,) = [
            int(folder.name)
            for folder in Path("/proc").glob("[0-9]*")
            if _arguments(folder)[-2:] == ["worker", "openai"] and str(tmp_path) in str((folder / "cwd").readlink())
        ]
        os.kill(worker, signal.SIGKILL)
        done = command(
            tmp_path, "submit", "ask", "What is the capital of France?", "--wait", "--timeout", "60", "--json"
        )
        assert json.loads(done.stdout)["state"] == "succeeded", done.stderr
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
    wait_until_gone(tmp_path)


def test_children_end_when_up_is_killed(tmp_path: Path) -> None:
    assert command(tmp_path, "init").returncode == 0
    with up(tmp_path, "--emulate", "--flower-port", "0") as (process, _):
        process.kill()
        process.wait(10)
    deadline = time.monotonic() + 30
    while any("-m cli" in line for line in processes_of(tmp_path)):
        assert time.monotonic() < deadline, processes_of(tmp_path)
    with up(tmp_path, "--emulate", "--flower-port", "0") as (process, _):  # takes over the broker left behind
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
    wait_until_gone(tmp_path)


def test_the_demo_compares_five_pipelines_with_the_strong_model_alone(tmp_path: Path) -> None:
    done = command(tmp_path, "demo", "--time-scale", "0.1", "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["pipeline"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert set(rows) == {"ask", "by_task", "careful", "decide", "report"}
    assert all(rows[name]["jobs"] >= 60 for name in ("ask", "by_task", "careful", "decide"))
    assert rows["report"]["jobs"] >= 6
    for row in rows.values():
        assert float(row["cost_usd"]) > 0
        assert float(row["alone"]["cost_usd"]) > 0
        assert row["mean_latency_s"] > 0
    assert float(rows["ask"]["cost_usd"]) < float(rows["ask"]["alone"]["cost_usd"])
    jobs = command(tmp_path, "jobs", "--json", "--limit", "1")
    assert "succeeded" in jobs.stdout
    sums = [json.loads(line) for line in command(tmp_path, "costs", "--by", "pipeline", "--json").stdout.splitlines()]
    assert sum(Decimal(row["cost_usd"]) for row in sums) == billed(tmp_path / ".mirepoix" / "bill.sqlite3")
    wait_until_gone(tmp_path)


def billed(bill: Path) -> Decimal:
    """What the emulator charged for, to the last digit."""
    with closing(sqlite3.connect(bill)) as connection:
        rows = connection.execute("SELECT cost_usd FROM bill WHERE billed").fetchall()
    assert len(rows) > 300
    return sum((Decimal(cost) for (cost,) in rows), Decimal(0))


def _arguments(folder: Path) -> list[str]:
    try:
        return (folder / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
    except OSError:
        return []
