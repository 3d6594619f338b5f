"""What became of a row's jobs, from the ledger and from the emulator's bill."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import Row, Select, select

from mirepoix.ledger.contents import load
from mirepoix.ledger.engine import Database
from mirepoix.ledger.tables import Attempt, Job, Step
from mirepoix.states import ErrorKind, JobState, StepState
from tests.faults.load import Task

UNKNOWN = (ErrorKind.UNKNOWN, ErrorKind.TIMEOUT, ErrorKind.ABORTED)
"""How an attempt may have ended that the provider may have billed without our knowing what."""


@dataclass
class Verdict:
    """The columns of the matrix: each holds what should not be there, job or job/path, with what is wrong."""

    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    cost: list[str] = field(default_factory=list)
    in_flight: int = 0
    """Billed requests whose attempts say that their outcome is not known: not a fault, but shown."""

    def columns(self) -> dict[str, list[str]]:
        """The columns that must be empty, by name."""
        return {column.name: getattr(self, column.name) for column in fields(self) if column.name != "in_flight"}


@dataclass(frozen=True, slots=True)
class Billed:
    """A request that the emulator charged for."""

    tag: str
    request_id: str
    cost: Decimal
    began: datetime
    ended: datetime


@dataclass(frozen=True, slots=True)
class Asked:
    """What a row asked for: its load, and the ids that a producer was given for accepted jobs."""

    tenant: str
    tasks: Sequence[Task]
    accepted: frozenset[str]
    skewed: bool = False
    """Whether a worker's clock was off, so that only the emulator's can be believed."""


def audit(database: Database, bill: Path, asked: Asked) -> Verdict:
    """Compare what was asked for, the ledger and the bill."""
    verdict = Verdict()
    with database.read() as connection:
        jobs = connection.execute(select(*Job.__table__.c).where(Job.tenant == asked.tenant)).all()
        of_tenant = select(Job.id).where(Job.tenant == asked.tenant)
        steps = connection.execute(select(*Step.__table__.c).where(Step.job_id.in_(of_tenant))).all()
        query: Select[Any] = select(*Attempt.__table__.c, Attempt.cost.label("cost"))
        attempts = connection.execute(query.where(Attempt.job_id.in_(of_tenant))).all()
        outputs = load(connection, {row.output_hash for row in (*jobs, *steps)})
    tasks = {task.key: task for task in asked.tasks}
    _look_at_jobs(verdict, asked, jobs, tasks)
    _look_at_outputs(verdict, jobs, steps, outputs, tasks)
    billed = _read_bill(bill, {job.id for job in jobs})
    _look_for_twice(verdict, attempts)
    _look_for_late(verdict, steps, attempts, billed, skewed=asked.skewed)
    _compare_costs(verdict, attempts, billed)
    return verdict


def _look_at_jobs(verdict: Verdict, asked: Asked, jobs: Sequence[Row[Any]], tasks: dict[str, Task]) -> None:
    verdict.lost += sorted(asked.accepted - {job.id for job in jobs})
    verdict.lost += [f"{job.id}: half accepted" for job in jobs if job.key not in tasks]
    for job in jobs:
        if not JobState(job.state).terminal:
            verdict.stuck.append(f"{job.id} {job.pipeline} {job.state}")
        elif job.state != JobState.SUCCEEDED:
            verdict.failed.append(f"{job.id} {job.pipeline} {job.state}: {job.error}")


def _look_at_outputs(
    verdict: Verdict,
    jobs: Sequence[Row[Any]],
    steps: Sequence[Row[Any]],
    outputs: dict[str, Any],
    tasks: dict[str, Task],
) -> None:
    expected = {job.id: tasks[job.key].expected() for job in jobs if job.key in tasks}
    seen = defaultdict[str, set[str]](set)
    for step in steps:
        seen[step.job_id].add(step.path)
        right = expected.get(step.job_id, {}).get(step.path)
        if step.state == StepState.SUCCEEDED and outputs[step.output_hash] != right:
            verdict.wrong.append(f"{step.job_id}/{step.path}: {outputs[step.output_hash]!r} is not {right!r}")
    for job in jobs:
        if job.state != JobState.SUCCEEDED or job.id not in expected:
            continue
        if outputs[job.output_hash] != expected[job.id]["$"]:
            verdict.wrong.append(f"{job.id}: {outputs[job.output_hash]!r} is not {expected[job.id]['$']!r}")
        if seen[job.id] != set(expected[job.id]):
            verdict.wrong.append(f"{job.id}: its steps are {sorted(seen[job.id] ^ set(expected[job.id]))} off")


def _look_for_twice(verdict: Verdict, attempts: Sequence[Row[Any]]) -> None:
    answered = Counter(f"{row.job_id}/{row.path}" for row in attempts if row.answer_hash is not None)
    verdict.twice += [f"{tag}: {count} answers" for tag, count in answered.items() if count > 1]


def _look_for_late(
    verdict: Verdict,
    steps: Sequence[Row[Any]],
    attempts: Sequence[Row[Any]],
    billed: Iterable[Billed],
    *,
    skewed: bool,
) -> None:
    """A request may only begin while the step has no answer: by the ledger's times, or by the emulator's alone."""
    recorded = {f"{step.job_id}/{step.path}": step.finished_at for step in steps if step.finished_at is not None}
    if skewed:
        winners = {row.request_id for row in attempts if row.answer_hash is not None and row.request_id is not None}
        recorded = {each.tag: each.ended for each in billed if each.request_id in winners}
    for each in billed:
        moment = recorded.get(each.tag)
        if moment is not None and each.began > moment:
            verdict.late.append(f"{each.tag}: billed {(each.began - moment).total_seconds():.3f} s after its answer")


def _compare_costs(verdict: Verdict, attempts: Sequence[Row[Any]], billed: Iterable[Billed]) -> None:
    """Each request on the bill has its attempt with the same cost, or one that says that its outcome is unknown."""
    known = {row.request_id: row.cost for row in attempts if row.request_id is not None and row.cost is not None}
    unknown = Counter(
        f"{row.job_id}/{row.path}"
        for row in attempts
        if row.cost is None and (row.finished_at is None or row.error_kind in UNKNOWN)
    )
    for each in billed:
        cost = known.pop(each.request_id, None)
        if cost is not None:
            if cost != each.cost:
                verdict.cost.append(f"{each.tag}: the ledger says {cost}, the bill {each.cost}")
        elif unknown[each.tag] > 0:
            unknown[each.tag] -= 1
            verdict.in_flight += 1
        else:
            verdict.cost.append(
                f"{each.tag}: {each.cost} billed at {each.began:%H:%M:%S.%f}, and no attempt knows of it"
            )
    verdict.cost += [
        f"request {request_id}: {cost} in the ledger, nothing billed" for request_id, cost in known.items()
    ]


def _read_bill(bill: Path, jobs: set[str]) -> list[Billed]:
    with sqlite3.connect(f"file:{bill}?mode=ro", uri=True) as connection:
        rows = connection.execute(
            "SELECT tag, request_id, cost_usd, time, latency FROM bill WHERE billed AND tag IS NOT NULL ORDER BY seq"
        ).fetchall()
    connection.close()
    found = []
    for tag, request_id, cost, time, latency in rows:
        if tag.partition("/")[0] in jobs:
            began = datetime.fromisoformat(time).astimezone(UTC)
            found.append(Billed(tag, request_id, Decimal(cost), began, began + timedelta(seconds=latency)))
    return found
