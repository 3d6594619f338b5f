"""Whether a worker's memory stays flat: one process makes 200,000 calls, and its memory is read after every 2,000.

`python -m bench.memory --calls 20000` is a shorter look. Exits 1 when the memory grows. Keeps points and verdict in
`bench/results/memory.json`, of which `bench.report` makes a plot.
"""

from __future__ import annotations

import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import linear_regression
from typing import Annotated

import typer
from rich.console import Console

from bench.contestants.mirepoix_ import config, require_success
from bench.house import House, running_house
from bench.meter import resident
from bench.provider import Provider, serving
from bench.result import Figure, Goal, Result, Row, table
from mirepoix import Client
from mirepoix.client import Handle

IN_FLIGHT = 50
OPEN = 500
"""So many jobs are out at a time: enough to keep the worker busy."""
A_POINT = 2_000
WORDS = 200
WARM = 0.25
"""The share of the calls after which caches, pools and threads have what they want."""
MOST = 100
"""Bytes a call: 20 MB in 200,000 calls. An id that is kept in a list takes as much."""
KEPT = Path(__file__).parent / "results" / "memory.json"
JOB_WITHIN = 600.0
out = Console()


@dataclass(frozen=True, slots=True)
class Point:
    """After so many `calls`, `seconds` from the start: bytes of resident memory of each role."""

    calls: int
    seconds: float
    memory: dict[str, int]


def main(
    calls: Annotated[int, typer.Option(help="Calls of the one worker.")] = 200_000,
    each: Annotated[int, typer.Option(help="Calls from one look to the next.")] = A_POINT,
    json: Annotated[Path, typer.Option(help="Where to keep it.")] = KEPT,
) -> None:
    """Measure, print the verdict, keep the points."""
    points = []
    for point in watch(calls, each):
        points.append(point)
        sizes = ", ".join(f"{role} {size / 1e6:.1f} MB" for role, size in point.memory.items())
        out.print(f"{point.calls:>9,} calls, {point.seconds:6.0f} s: {sizes}", highlight=False)
    result = verdict(points)
    json.parent.mkdir(parents=True, exist_ok=True)
    json.write_text(result.model_dump_json(indent=1) + "\n")
    out.print(table(result))
    for goal in result.goals:
        out.print(f"  {goal}", highlight=False)
    raise typer.Exit(0 if result.goals[0].met else 1)


def watch(calls: int, each: int, *, words: int = WORDS) -> Iterator[Point]:
    """Have one worker make so many calls, each for a job with a text of its own; its house's memory on the way.

    A text has so many `words` of five bytes: what is kept of each call shows the better, the longer they are.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        serving() as provider,
        running_house(Path(folder), config(provider.url, IN_FLIGHT)) as house,
        Client(house.settings) as client,
    ):
        began, asked = time.monotonic(), provider.answered()
        texts = (f"What is {number} plus one? {'word ' * words}" for number in range(calls))
        for done in _work_off(client, texts):
            if done % each == 0:
                yield Point(_counted(provider, asked, done), time.monotonic() - began, _memory(house))


def _work_off(client: Client, texts: Iterator[str]) -> Iterator[int]:
    """Submit, wait for the oldest, submit more; how many have ended, one after the other."""
    waiting = deque[Handle](client.submit_many("unrouted", islice(texts, OPEN)))
    done = 0
    while waiting:
        some = [waiting.popleft() for _ in range(min(len(waiting), OPEN // 2))]
        waiting += client.submit_many("unrouted", islice(texts, len(some)))
        for view in client.as_ended(some, timeout=JOB_WITHIN):
            require_success(view)
            done += 1
            yield done


def _counted(provider: Provider, before: int, done: int) -> int:
    """As the provider counts: what it has been asked, which is a little more than what has ended."""
    asked = provider.answered() - before
    if asked < done:
        raise RuntimeError(f"{done} jobs have ended, but the provider was asked {asked} times only.")
    return asked


def _memory(house: House) -> dict[str, int]:
    roles = house.processes()
    return {role: sum(map(resident, roles[role])) for role in ("worker", "orchestrator", "broker")}


def verdict(points: Sequence[Point], *, warm: float = WARM, most: float = MOST) -> Result:
    """How much memory grows with each call once all is warm, by a line through the points (least squares).

    `warm` is the share of the calls before that, `most` how many bytes the worker may grow by with a call.
    """
    later = [point for point in points if point.calls >= warm * points[-1].calls]
    grows = {role: _slope(later, role) for role in points[0].memory}
    rows = [
        Row(
            name=role,
            figures=(
                Figure(name="at first", unit="MB", values=(points[0].memory[role] / 1e6,)),
                Figure(name="at last", unit="MB", values=(points[-1].memory[role] / 1e6,)),
                Figure(name="grows by", unit="bytes a call", values=(slope,)),
            ),
        )
        for role, slope in grows.items()
    ]
    calls = points[-1].calls
    goal = Goal(
        text=f"bytes by which the worker grows with a call, over {calls:,} calls", value=grows["worker"], bound=most
    )
    lines = {role: tuple((point.calls, point.memory[role] / 1e6) for point in points) for role in grows}
    title = f"memory of one worker over {calls:,} calls, {calls / points[-1].seconds:.0f} a second"
    return Result(section="memory", title=title, rows=tuple(rows), goals=(goal,), series=lines, axes=("calls", "MB"))


def _slope(points: Sequence[Point], role: str) -> float:
    return linear_regression([point.calls for point in points], [point.memory[role] for point in points]).slope


if __name__ == "__main__":
    typer.run(main)
