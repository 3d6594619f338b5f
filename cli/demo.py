"""`demo`: real questions and documents through five pipelines, and the same on the strong model alone."""

from __future__ import annotations

import json as jsonlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli import context, screen
from cli.screen import Json
from cli.services import examples
from cli.setup import template
from mirepoix.client import Client
from mirepoix.config_file import load_config
from mirepoix.errors import ConfigError, JobFailed
from mirepoix.settings import Settings
from mirepoix.spec import Call, Pipeline
from mirepoix.states import JobState
from mirepoix.views import JobView, usd_text
from pipelines.reducers import normalise

STRONG = "opus"
BRIEF = "Answer with the answer alone, in a few words."
REPORT = "Write a short report on this document for a busy reader, with a summary.\n\n{{ input }}"
ASKING = ("ask", "by_task", "careful", "decide")
TIMEOUT = 180.0


@dataclass(frozen=True, slots=True)
class Material:
    """The questions with the answers that count as right, and the documents."""

    questions: list[dict[str, Any]]
    documents: list[str]


@dataclass(frozen=True, slots=True)
class Row:
    """What one pipeline did, and what the strong model alone took for the same jobs (`alone_*`)."""

    pipeline: str
    jobs: int
    right: int | None
    models: dict[str, int]
    calls: int
    cost: Decimal
    latency: float
    alone_right: int | None
    alone_cost: Decimal
    alone_latency: float


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(demo)


def demo(
    time_scale: Annotated[float, typer.Option(min=0, help="Multiplies the emulated latencies; 0: no waiting.")] = 1.0,
    json: Json = False,
) -> None:
    """Run the five pipelines on real questions and documents with emulated providers: no API key, no cost."""
    from workers.stack import Plan, Stack

    settings, material = _demo_settings(context.settings()), load_material()
    config = load_config(settings.config_path)
    screen.err.print("starting a broker, the emulator and a worker per provider …")
    plan = Plan(emulate=True, time_scale=time_scale, answers=examples("questions.jsonl"), flower_port=None, web=False)
    with Stack(settings, config, plan, on_event=screen.err.print) as stack, Client(stack.settings, config) as client:
        views = run_all(client, material, quiet=json)
        rows = summarise(views, material)
        shown = _most_telling(views["careful"])
        trace = client.get(shown).trace()
    if json:
        for row in rows:
            screen.print_json(_as_json(row))
        return
    _print_rows(rows)
    screen.out.print("\nOne job of `careful`, whole:\n")
    screen.print_trace(trace)
    _print_next(shown)


def load_material() -> Material:
    """The example files; raises ConfigError when the installation lacks them."""
    files, folders = examples("questions.jsonl"), examples("documents")
    if not files or not folders:
        raise ConfigError("the examples are not there; install Mirepoix whole, or run this in a checkout.")
    questions = [jsonlib.loads(line) for line in files[0].read_text(encoding="utf-8").splitlines() if line.strip()]
    documents = [path.read_text(encoding="utf-8") for path in sorted(folders[0].glob("*.txt"))]
    return Material(questions, documents)


def run_all(client: Client, material: Material, *, quiet: bool) -> dict[str, list[JobView]]:
    """Every question through four pipelines and the strong model alone; every document through `report` and likewise.

    One after another, so that no pipeline waits for the calls of another. Gives the jobs in the order of their inputs.
    """
    questions = [item["question"] for item in material.questions]
    alone = Call(name="strong_alone", model=STRONG, system=BRIEF)
    report_alone = Call(name="strong_report", model=STRONG, prompt=REPORT)
    runs: dict[str, tuple[str | Pipeline, Sequence[str]]] = {name: (name, questions) for name in ASKING}
    runs |= {"report": ("report", material.documents), "alone": (alone, questions)}
    runs |= {"report_alone": (report_alone, material.documents)}
    columns = (TextColumn("{task.description:>12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=screen.err, disable=quiet) as progress:
        return {
            name: _run(client, pipeline, inputs, partial(progress.advance, progress.add_task(name, total=len(inputs))))
            for name, (pipeline, inputs) in runs.items()
        }


def summarise(views: dict[str, list[JobView]], material: Material) -> list[Row]:
    """One row a pipeline."""
    rows: list[Row] = []
    for name in (*ASKING, "report"):
        mine, alone = views[name], views["report_alone" if name == "report" else "alone"]
        asked = material.questions if name != "report" else None
        rows.append(
            Row(
                pipeline=name,
                jobs=len(mine),
                right=_right(mine, asked),
                models=dict(Counter(model for view in mine for model in view.models).most_common()),
                calls=sum(view.calls for view in mine),
                cost=sum((view.cost_usd for view in mine), Decimal(0)),
                latency=sum(view.latency_s for view in mine) / len(mine),
                alone_right=_right(alone, asked),
                alone_cost=sum((view.cost_usd for view in alone), Decimal(0)),
                alone_latency=sum(view.latency_s for view in alone) / len(alone),
            )
        )
    return rows


def _demo_settings(settings: Settings) -> Settings:
    """The demo has a configuration of its own, the one that `init` writes, whatever stands in this folder."""
    path = settings.home / "demo.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(template(), encoding="utf-8")
    return replace(settings, config_path=path)


def _run(client: Client, pipeline: str | Pipeline, inputs: Sequence[str], ended: Callable[[], None]) -> list[JobView]:
    handles = client.submit_many(pipeline, inputs)
    views: dict[str, JobView] = {}
    for view in client.as_ended(handles, TIMEOUT):
        if view.state is not JobState.SUCCEEDED:
            raise JobFailed(f"job {view.job} of {view.pipeline}: {view.error}", job_id=view.job, state=view.state)
        views[view.job] = view
        ended()
    return [views[handle.id] for handle in handles]


def _right(views: list[JobView], questions: list[dict[str, Any]] | None) -> int | None:
    if questions is None:
        return None
    right = 0
    for view, question in zip(views, questions, strict=True):
        accepted = {normalise(answer) for answer in (question["answer"], *question["accept"])}
        right += normalise(view.output) in accepted
    return right


def _most_telling(views: list[JobView]) -> str:
    """The job that went through the most tiers."""
    return max(views, key=lambda view: view.calls).job


def _print_rows(rows: list[Row]) -> None:
    columns = ["pipeline", "jobs", "right", "models asked", "calls", "USD", "mean s"]
    columns += [f"{STRONG} right", f"{STRONG} USD", f"{STRONG} s", "saved %"]
    cells = [
        (
            row.pipeline,
            str(row.jobs),
            "-" if row.right is None else str(row.right),
            ", ".join(f"{model} {count}" for model, count in row.models.items()),
            str(row.calls),
            f"{row.cost:.5f}",
            f"{row.latency:.2f}",
            "-" if row.alone_right is None else str(row.alone_right),
            f"{row.alone_cost:.5f}",
            f"{row.alone_latency:.2f}",
            f"{_saved(row):.0f}",
        )
        for row in rows
    ]
    screen.print_table(columns, cells, title="Five pipelines, and the same jobs all sent to the strong model")


def _saved(row: Row) -> float:
    return float(100 * (1 - row.cost / row.alone_cost))


def _as_json(row: Row) -> dict[str, Any]:
    return {
        "pipeline": row.pipeline,
        "jobs": row.jobs,
        "right": row.right,
        "models": row.models,
        "calls": row.calls,
        "cost_usd": usd_text(row.cost),
        "mean_latency_s": round(row.latency, 3),
        "alone": {
            "model": STRONG,
            "right": row.alone_right,
            "cost_usd": usd_text(row.alone_cost),
            "mean_latency_s": round(row.alone_latency, 3),
        },
    }


def _print_next(job: str) -> None:
    screen.out.print(
        f"""
Models and latencies are emulated, prices are the published ones; nothing was billed.
Look again:     mirepoix trace {job}
All jobs:       mirepoix jobs        Costs: mirepoix costs --by pipeline
Try your own:   mirepoix init && mirepoix up --emulate
                mirepoix submit ask "What is the capital of France?" --wait
Watch:          http://127.0.0.1:5555 (Flower, while `mirepoix up` runs)
With API keys:  the same without --emulate.""",
        markup=False,
        highlight=False,
    )
