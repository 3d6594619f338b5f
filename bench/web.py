"""How long each page takes on a large ledger: real jobs are run, copied to a million attempts, and the pages asked."""

from __future__ import annotations

import math
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from html import unescape
from pathlib import Path
from statistics import median
from typing import Annotated

import httpx
import typer
from rich.console import Console
from rich.table import Table

from bench.copies import analyze, multiply
from mirepoix import Client, Settings
from mirepoix.config_file import load_config
from mirepoix.ledger.engine import Database
from mirepoix.ledger.tables import now
from workers.stack import Plan, Stack

TEMPLATE = Path(__file__).parents[1] / "cli" / "template.yaml"
QUESTIONS = ("What is the capital of France?", "Prove that the square root of two is irrational, step by step.")
GOAL = 0.2
out = Console(width=100)


def main(
    attempts: Annotated[int, typer.Option(help="Attempts in the ledger.")] = 1_000_000,
    rounds: Annotated[int, typer.Option(help="How often each page is asked for.")] = 40,
    goal: Annotated[float, typer.Option(help="Seconds that the 95th percentile may take.")] = GOAL,
) -> None:
    """Measure and print a table; exits 1 when a page is slower than the goal."""
    with tempfile.TemporaryDirectory() as folder:
        settings = _settings(Path(folder))
        _run_some(settings)
        began = time.monotonic()
        with closing(Database(settings.database_url)) as database:
            jobs = multiply(database, attempts, now())
            analyze(database)
        ledger = Path(settings.database_url.removeprefix("sqlite:///"))
        took, size = time.monotonic() - began, ledger.stat().st_size / 1e6
        out.print(f"{attempts:,} attempts of {jobs:,} jobs: {size:,.0f} MB of SQLite, written in {took:.0f} s")
        with _serving(settings) as client:
            slow = _measure(client, jobs, rounds, goal)
    raise typer.Exit(1 if slow else 0)


def _settings(home: Path) -> Settings:
    config_path = home / "mirepoix.yaml"
    shutil.copy(TEMPLATE, config_path)
    return replace(Settings.from_env({"MIREPOIX_HOME": str(home)}), config_path=config_path)


def _run_some(settings: Settings) -> None:
    """Two real jobs of each pipeline."""
    config = load_config(settings.config_path)
    plan = Plan(emulate=True, time_scale=0.05, flower_port=None)
    with Stack(settings, config, plan, lambda event: None) as stack, Client(stack.settings) as client:
        handles = [client.submit(name, question) for name in config.pipelines for question in QUESTIONS]
        for view in client.as_ended(handles, timeout=120):
            if view.error:
                out.print(f"{view.pipeline}: {view.error}", markup=False)


@contextmanager
def _serving(settings: Settings) -> Iterator[httpx.Client]:
    """`mirepoix web` in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-P", "-m", "cli", "web", "--port", str(port)]
    environ = settings.environ() | {"PYTHONPATH": str(TEMPLATE.parents[1])}
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
            for _ in range(300):
                try:
                    client.get("/healthz").raise_for_status()
                    break
                except httpx.ConnectError:
                    time.sleep(0.1)
            yield client
    finally:
        process.terminate()
        process.wait(30)


def _measure(client: httpx.Client, jobs: int, rounds: int, goal: float) -> list[str]:
    """Ask for every page, print what it took; the pages that were too slow."""
    table = Table(title=f"{rounds} requests each, one after the other; milliseconds")
    for heading in ("page", "first", "median", "95 %", "kB"):
        table.add_column(heading, justify="left" if heading == "page" else "right")
    slow = []
    for name, path in _pages(client, jobs).items():
        taken, size = [], 0
        for _ in range(rounds + 1):
            began = time.perf_counter()
            answer = client.post(path, data=ROUTED) if path == "/router" else client.get(path)
            taken.append(time.perf_counter() - began)
            answer.raise_for_status()
            size = len(answer.content)
        first, rest = taken[0], sorted(taken[1:])
        high = rest[math.ceil(len(rest) * 0.95) - 1]
        if high > goal:
            slow.append(name)
        figures = (first * 1000, median(rest) * 1000, high * 1000, size / 1000)
        table.add_row(name, *(f"{figure:,.0f}" for figure in figures))
    out.print(table)
    out.print(f"slower than {goal * 1000:.0f} ms: {', '.join(slow) or 'none'}")
    return slow


ROUTED = {"pipeline": "ask", "text": "Why is the sky blue?", "task": ""}


def _pages(client: httpx.Client, jobs: int) -> dict[str, str]:
    middle = f"{jobs // 2:026d}"
    return {
        "overview": "/",
        "overview, live part": "/live",
        "jobs": "/jobs",
        "jobs, second page": _older(client),
        "jobs, failed (1 in 1,000)": "/jobs?state=failed",
        "jobs of a pipeline": "/jobs?pipeline=careful",
        "jobs of a tenant without any": "/jobs?tenant=nobody",
        "jobs by model": f"/jobs?model={_dearest(client)}",
        "jobs by a text in many": "/jobs?text=plus",
        "jobs by a text in one": f"/jobs?text={jobs // 2}+plus",
        "one job": f"/jobs/{middle}",
        "pipelines": "/pipelines",
        "one pipeline": "/pipelines/careful",
        "costs, 7 days": "/costs?days=7",
        "costs, 30 days": "/costs?days=30",
        "costs, 90 days": "/costs?days=90",
        "router": "/router",
    }


def _older(client: httpx.Client) -> str:
    found = re.search(r'rel="next" href="([^"]+)"', client.get("/jobs").text)
    return unescape(found[1]) if found else "/jobs"


def _dearest(client: httpx.Client) -> str:
    found = re.search(r'<th scope="row">[^/<]+/([^<]+)</th>', client.get("/costs?days=7").text)
    return found[1] if found else ""


if __name__ == "__main__":
    typer.run(main)
