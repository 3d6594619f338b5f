"""The field's case: 60 % simple questions, 30 % complex analysis, 10 % long documents; strong model or orchestrated.

The same jobs run through the real system three times: all on GPT-4 (the strong model of the case, at its list price of
2023), all on the strongest model of today that is configured, and orchestrated. Models are emulated: their prices are
the published ones, their latencies and skills those of `emulator/profiles.py`, which names its sources. Costs and
latencies are what Mirepoix recorded, its own work included; an answer is right by the emulator's questions.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from mirepoix import Client, Settings
from mirepoix.config_file import load_config
from mirepoix.states import JobState
from mirepoix.views import JobView
from pipelines.reducers import normalise
from workers.stack import Plan, Stack

HERE = Path(__file__).parent
CONFIG = HERE / "case_study.yaml"
EXAMPLES = HERE.parent / "examples"
ANSWERS = (EXAMPLES / "questions.jsonl", HERE / "document_questions.jsonl")
ORCHESTRATED = "orchestrated"
RUNS = ("gpt4", "opus", ORCHESTRATED)
SHARES = {"simple": 0.6, "complex": 0.3, "document": 0.1}
EASY = 0.0
"""A question below this difficulty is a simple one; an analysis above it a complex one."""
PATIENCE = 300.0
GOAL_COST, GOAL_LATENCY = 73, 44
"""Per cent less than the strong model, at equal or better quality: what the field's case reports."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job of the mix: what it asks, and which answers are right."""

    kind: str
    input: Any
    right: frozenset[str]


@dataclass(frozen=True, slots=True)
class Result:
    """How one way to run the mix did; latencies are in seconds as measured, `right` is a share."""

    run: str
    jobs: int
    cost_usd: Decimal
    mean_s: float
    p95_s: float
    right: float
    right_by_kind: dict[str, float]
    cost_by_kind: dict[str, Decimal]


def main(
    jobs: Annotated[int, typer.Option(min=10, help="Jobs in each run.")] = 300,
    time_scale: Annotated[float, typer.Option(min=0, help="Multiplies the emulated latencies.")] = 1.0,
    rate: Annotated[float, typer.Option(min=0.1, help="Jobs submitted a second.")] = 5.0,
    seed: Annotated[int, typer.Option(help="Of the emulator's luck.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Run the mix three times and print the results side by side."""
    mix = list(_mix(jobs))
    with (
        tempfile.TemporaryDirectory() as home,
        _stack(Path(home), time_scale, seed) as stack,
        Client(stack.settings) as client,
    ):
        results = {run: _run(client, run, mix, rate) for run in RUNS}
    if as_json:
        saved = {run: _saved(results[run], results[ORCHESTRATED]) for run in RUNS if run != ORCHESTRATED}
        told = {"time_scale": time_scale, "runs": [asdict(result) for result in results.values()], "saved": saved}
        sys.stdout.write(json.dumps(told, default=str) + "\n")
        return
    _print(results, time_scale)


def _mix(count: int) -> Iterator[Job]:
    """`count` jobs in the shares of the case, the kinds spread evenly; where there are too few questions they recur."""
    known = [json.loads(line) for file in ANSWERS for line in file.read_text(encoding="utf-8").splitlines()]
    plain, about = (known[: -len(_lines(ANSWERS[1]))], known[-len(_lines(ANSWERS[1])) :])
    texts = [path.read_text(encoding="utf-8") for path in sorted((EXAMPLES / "documents").glob("*.txt"))]
    sources = {
        "simple": cycle(_ask("simple", item) for item in plain if item["difficulty"] < EASY),
        "complex": cycle(_ask("complex", q) for q in plain if q["task"] == "analysis" and q["difficulty"] >= EASY),
        "document": cycle(_ask("document", item, "\n\n".join(texts)) for item in about),
    }
    pattern = cycle(
        ["simple", "complex", "simple", "simple", "document", "simple", "complex", "simple", "complex", "simple"]
    )
    for kind in islice(pattern, count):
        yield next(sources[kind])


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()


def _ask(kind: str, item: dict[str, Any], document: str | None = None) -> Job:
    right = frozenset(normalise(answer) for answer in (item["answer"], *item["accept"]))
    question: Any = item["question"]
    return Job(kind, question if document is None else {"document": document, "question": question}, right)


def _run(client: Client, run: str, mix: Sequence[Job], rate: float) -> Result:
    """All jobs of the mix, `rate` of them a second: it is latency that is measured, not throughput."""
    handles = []
    for job in mix:
        handles.append(client.submit(f"{run}_document" if job.kind == "document" else run, job.input))
        time.sleep(1 / rate)
    ended = {view.job: view for view in client.as_ended(handles, timeout=PATIENCE)}
    views = [ended[handle.id] for handle in handles]
    broken = [view.error for view in views if view.state is not JobState.SUCCEEDED]
    if broken:
        raise RuntimeError(f"{len(broken)} of {len(views)} jobs of {run} failed, the first with: {broken[0]}")
    return _summarise(run, mix, views)


def _summarise(run: str, mix: Sequence[Job], views: Sequence[JobView]) -> Result:
    latencies = [view.latency_s for view in views]
    right = [_is_right(view.output, job.right) for view, job in zip(views, mix, strict=True)]
    kinds = {kind: [index for index, job in enumerate(mix) if job.kind == kind] for kind in SHARES}
    return Result(
        run=run,
        jobs=len(views),
        cost_usd=sum((view.cost_usd for view in views), Decimal(0)),
        mean_s=statistics.mean(latencies),
        p95_s=statistics.quantiles(latencies, n=20)[-1],
        right=statistics.mean(right),
        right_by_kind={kind: statistics.mean(right[index] for index in own) for kind, own in kinds.items()},
        cost_by_kind={kind: sum((views[i].cost_usd for i in own), Decimal(0)) for kind, own in kinds.items()},
    )


def _is_right(output: object, accepted: frozenset[str]) -> bool:
    """Whether the first line says it: a cascade's cheap tier says how sure it is below."""
    lines = str(output).strip().splitlines()
    return bool(lines) and normalise(lines[0]) in accepted


def _saved(strong: Result, ours: Result) -> dict[str, float]:
    """Per cent of cost and mean latency less than the strong model's, and percentage points of right answers more."""
    return {
        "cost_percent": round(float(100 * (1 - ours.cost_usd / strong.cost_usd)), 1),
        "latency_percent": round(100 * (1 - ours.mean_s / strong.mean_s), 1),
        "right_points": round(100 * (ours.right - strong.right), 1),
    }


def _print(results: dict[str, Result], time_scale: float) -> None:
    console = Console()
    table = Table(title=f"{results[ORCHESTRATED].jobs} jobs a run, latencies times {time_scale:g}")
    for heading in ("", "USD", "mean s", "p95 s", "right", *(f"right: {kind}" for kind in SHARES)):
        table.add_column(heading, justify="right")
    for result in results.values():
        shares = (f"{result.right_by_kind[kind]:.1%}" for kind in SHARES)
        cells = (f"{result.cost_usd:.4f}", f"{result.mean_s:.2f}", f"{result.p95_s:.2f}", f"{result.right:.1%}")
        table.add_row(result.run, *cells, *shares)
    console.print(table)
    for run in RUNS[:-1]:
        saved = _saved(results[run], results[ORCHESTRATED])
        met = (
            saved["cost_percent"] >= GOAL_COST
            and saved["latency_percent"] >= GOAL_LATENCY
            and saved["right_points"] >= 0
        )
        console.print(
            f"orchestrated against all on {run}: cost {-saved['cost_percent']:+.1f} %, mean latency "
            f"{-saved['latency_percent']:+.1f} %, right answers {saved['right_points']:+.1f} points; the goal "
            f"(-{GOAL_COST} %, -{GOAL_LATENCY} %, no fewer right) is {'met' if met else 'missed'}"
        )


def _stack(home: Path, time_scale: float, seed: int) -> Stack:
    settings = replace(Settings.from_env({"MIREPOIX_HOME": str(home)}), config_path=CONFIG)
    plan = Plan(emulate=True, seed=seed, time_scale=time_scale, answers=ANSWERS, flower_port=None)
    return Stack(settings, load_config(CONFIG), plan, on_event=lambda event: print(event, file=sys.stderr))


if __name__ == "__main__":
    typer.run(main)
