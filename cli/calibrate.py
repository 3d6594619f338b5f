"""`calibrate`: find the thresholds of a cascade from jobs whose right answers are known."""

from __future__ import annotations

import json as jsonlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import JsonValue

from cli import context, screen
from cli.jsonl import read_lines
from cli.labels import as_label
from cli.screen import Json
from mirepoix.client import Client
from mirepoix.errors import InputError, NotFound
from mirepoix.ledger.accept import Submission
from mirepoix.ledger.read import job_of_key
from mirepoix.paths import Place
from mirepoix.spec import Cascade, Pipeline, version
from mirepoix.strict import unknown
from pipelines.calibration import Calibration, Estimate, Run, calibrate
from pipelines.labelled import Label, asking_all, find_gated, run_of, same_gates, thresholds_of

FIELDS = ("job", "key", "input", "expected", "right", "score")


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(name="calibrate")(calibrate_thresholds)


def calibrate_thresholds(
    pipeline: Annotated[str, typer.Argument(help="A pipeline of mirepoix.yaml with a cascade in it.")],
    labels: Annotated[
        Path,
        typer.Option("--labels", help="JSONL: {job or key, right | score | expected}, or {input, expected} to be run."),
    ],
    target_quality: Annotated[float, typer.Option(min=0, max=1, help="The share of right answers to keep.")] = 0.95,
    step: Annotated[str | None, typer.Option(help="Which cascade, where there are several: its path.")] = None,
    tenant: Annotated[str, typer.Option(help="Whom the runs are billed to, and whose keys are meant.")] = "default",
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds to wait for the runs at the most.")] = None,
    json: Json = False,
) -> None:
    """Find the thresholds that keep a quality at the least cost. Exits 1 when the target cannot be reached.

    Inputs are run with all tiers and all gates asked, once: a second calibration finds the same jobs.
    """
    with context.client() as client:
        if pipeline not in client.config.pipelines:
            raise NotFound(unknown(f"pipeline {pipeline!r}", pipeline, client.config.pipelines))
        place = find_gated(client.config.pipelines[pipeline], step)
        lines = list(_read(labels))
        jobs = _ids(client, lines, tenant) | _run(client, lines, _named(asking_all(place), pipeline), tenant, timeout)
        learnt = _learn(client, place, [(jobs[number], line.label) for number, line in enumerate(lines)])
    if not learnt.runs:
        raise InputError(f"{labels}: none of its jobs went through this cascade with the gates that it has now.")
    tiers = len(place.node.tiers) if isinstance(place.node, Cascade) else 0
    found = calibrate(learnt.runs, tiers, target_quality)
    if json:
        screen.print_json(_as_json(pipeline, place, found, learnt))
    else:
        _print(pipeline, found, learnt)
    raise typer.Exit(0 if found.reached else 1)


@dataclass(frozen=True, slots=True)
class _Line:
    """One label: of a job by its id or key, or of an input that is to be run."""

    label: Label
    job: str | None = None
    key: str | None = None
    input: JsonValue = None


@dataclass(frozen=True, slots=True)
class _Learnt:
    """The runs, how many jobs were left out because they took another cascade, and how many scores are not whole."""

    runs: list[Run]
    others: int
    partial: int


def _read(path: Path) -> Iterator[_Line]:
    """Raises InputError that names the line."""
    for where, value in read_lines(path):
        yield _line(value, where)


def _line(value: Any, where: str) -> _Line:
    if not isinstance(value, dict):
        raise InputError(f"{where}: a line is an object.")
    for name in value:
        if name not in FIELDS:
            raise InputError(f"{where}: {unknown(f'field {name!r}', name, FIELDS)}")
    label = as_label(value, where)
    whose = [name for name in ("job", "key", "input") if name in value]
    if len(whose) != 1 or not all(isinstance(value.get(name, ""), str) for name in ("job", "key")):
        raise InputError(f"{where}: a line has one of job, key (texts) and input.")
    if whose == ["input"] and not label.expected:
        raise InputError(f"{where}: an input needs what is expected.")
    return _Line(label, value.get("job"), value.get("key"), value.get("input"))


def _ids(client: Client, lines: Sequence[_Line], tenant: str) -> dict[int, str]:
    """The jobs of the lines that name one. Raises NotFound."""
    found: dict[int, str] = {}
    with client.database.read() as connection:
        for number, line in enumerate(lines):
            if line.job is not None:
                found[number] = line.job
            elif line.key is not None:
                found[number] = job_of_key(connection, tenant, line.key)
    return found


def _run(client: Client, lines: Sequence[_Line], spec: Pipeline, tenant: str, timeout: float | None) -> dict[int, str]:
    """Submit the inputs and wait for them. Raises ResultTimeout."""
    numbers = [number for number, line in enumerate(lines) if line.job is None and line.key is None]
    submissions = [Submission(lines[n].input, tenant=tenant, key=_key(spec, lines[n].input)) for n in numbers]
    handles = client.submit_many(spec, submissions) if submissions else []
    if handles:
        screen.err.print(f"{len(handles)} inputs are run with all tiers …", markup=False)
        for _ in client.as_ended(handles, timeout):
            pass
    return {number: handle.id for number, handle in zip(numbers, handles, strict=True)}


def _key(spec: Pipeline, given: JsonValue) -> str:
    """The same input to the same cascade is one job, however often it is calibrated."""
    text = jsonlib.dumps(given, sort_keys=True, ensure_ascii=True)
    return f"calibrate:{version(spec)}:{sha256(text.encode()).hexdigest()[:32]}"


def _named(spec: Pipeline, pipeline: str) -> Pipeline:
    """Shown among the jobs as the calibration of its pipeline."""
    return spec.model_copy(update={"name": "calibrate_" + re.sub(r"[^a-z0-9_]", "_", pipeline)[:30]})


def _learn(client: Client, place: Place, labelled: Sequence[tuple[str, Label]]) -> _Learnt:
    runs: list[Run] = []
    others = partial = 0
    for job, label in labelled:
        trace = client.get(job).trace()
        if not same_gates(place, trace):
            others += 1
            continue
        run, whole = run_of(place, trace, label)
        if run:
            runs.append(run)
            partial += not whole
    return _Learnt(runs, others, partial)


def _as_json(pipeline: str, place: Place, found: Calibration, learnt: _Learnt) -> dict[str, Any]:
    return {
        "pipeline": pipeline,
        "step": place.path,
        "runs": found.runs,
        "left_out": learnt.others,
        "partial_scores": learnt.partial,
        "target_quality": found.target,
        "reached": found.reached,
        "sure": found.sure,
        "verdict": found.verdict,
        "held_out_quality": found.held_out,
        "best": _estimate_json(found.best),
        "strongest": _estimate_json(found.strongest),
        "table": [_estimate_json(one) for one in found.table],
        "yaml": _yaml(found.best),
    }


def _estimate_json(one: Estimate) -> dict[str, Any]:
    return {
        "at_least": thresholds_of(one.policy),
        "quality": round(one.quality, 6),
        "low": round(one.low, 6),
        "high": round(one.high, 6),
        "cost_usd": f"{one.cost:.12f}".rstrip("0").rstrip("."),
        "answered_by_tier": [round(share, 6) for share in one.shares],
        "unknown": round(one.unknown, 6),
    }


def _print(pipeline: str, found: Calibration, learnt: _Learnt) -> None:
    rows = [_row(one, "<- cheapest that reaches it" if one.policy == found.best.policy else "") for one in found.table]
    rows.append(_row(found.strongest, "the last tier alone, after all others"))
    columns = ["at_least", "quality", "95 % interval", "USD", "answered by tier", "unknown", "note"]
    screen.print_table(columns, rows, title=f"{pipeline}: {found.runs} labelled runs, target {found.target:g}")
    say = screen.out.print
    say(found.verdict, markup=False, highlight=False)
    if found.held_out is not None:
        say(f"Measured on runs that it was not chosen from: {found.held_out:.3f}.", markup=False, highlight=False)
    if found.best.unknown:
        say(f"{found.best.unknown:.0%} of the runs never asked the tier that would answer; they count as wrong. Labels")
        say("with an input are run with all tiers.", markup=False)
    if learnt.partial:
        say(f"{learnt.partial} runs left gates out that had nothing to add; their scores are bounds.", markup=False)
    if learnt.others:
        say(f"{learnt.others} jobs took another cascade and are left out.", markup=False)
    say("\n" + _yaml(found.best), markup=False, highlight=False)


def _row(one: Estimate, note: str) -> tuple[str, ...]:
    return (
        ", ".join("never" if threshold is None else f"{threshold:g}" for threshold in thresholds_of(one.policy)),
        f"{one.quality:.3f}",
        f"{one.low:.3f} - {one.high:.3f}",
        f"{one.cost:.6f}",
        " / ".join(f"{share:.0%}" for share in one.shares),
        f"{one.unknown:.0%}",
        note,
    )


def _yaml(best: Estimate) -> str:
    """What to paste into the cascade."""
    thresholds = thresholds_of(best.policy)
    numbers = ", ".join("1" if threshold is None else f"{threshold:g}" for threshold in thresholds)
    never = [index for index, threshold in enumerate(thresholds) if threshold is None]
    advice = "".join(f"  # tier {index} is never good enough: it only costs, take it out" for index in never)
    return f"accept: {{at_least: [{numbers}]}}{advice}" if thresholds else "accept: {}  # one tier: nothing to choose"
