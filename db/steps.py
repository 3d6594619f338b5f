"""Write the steps of jobs, and claim them for this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, func, or_, select, tuple_, update
from sqlalchemy import insert as insert_into

from db.elapsed import Elapsed
from db.events import record_events
from db.locks import LockedJob, lock_job
from db.starts import BegunJob
from mirepoix.errors import NotFound
from mirepoix.ledger.tables import Job, PipelineVersion, Step, Utc, now
from mirepoix.planned import PlannedStep
from mirepoix.spec import Pipeline, parse
from mirepoix.states import EventKind, JobState, Lane, StepState

OPEN = (StepState.PENDING, StepState.RUNNING)
IS_OPEN = or_(*(Step.state == state for state in OPEN))
AT = (Step.job_id == bindparam("of_job"), Step.path == bindparam("at"))
"""Statements that every step costs are built once, here and beside whoever carries them out: to build one anew takes
five times as long as to carry it out."""

_CLAIM = (
    update(Step)
    .where(*AT, IS_OPEN, Step.missing == 0, Step.holder.is_(None))
    .values(
        state=StepState.RUNNING,
        epoch=Step.epoch + 1,
        due_at=None,
        queued=Step.queued + func.coalesce(Elapsed(Step.ready_at, bindparam("moment", type_=Utc)), 0.0),
        drives=0,
        started_at=func.coalesce(Step.started_at, bindparam("moment", type_=Utc)),
    )
    .returning(Step.epoch, Step.kind, Step.driven, Step.model)
)

_ADD = insert_into(Step)


@dataclass(frozen=True, slots=True)
class Claim:
    """This process's right to do one step, until a newer `epoch` is claimed; and the job that the step is of."""

    job: LockedJob
    path: str
    kind: str
    epoch: int
    driven: bool
    model: str | None

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self.job.id


def read_spec(connection: Connection, version: str) -> Pipeline:
    """The pipeline of that version, as jobs were submitted to it."""
    query = select(PipelineVersion.spec).where(PipelineVersion.version == version)
    return parse(connection.execute(query).scalar_one())


def read_version(connection: Connection, job_id: str) -> tuple[str, Lane]:
    """The version of the pipeline that the job was submitted to, and its lane; raises NotFound."""
    job = connection.execute(select(Job.version, Job.lane).where(Job.id == job_id)).one_or_none()
    if job is None:
        raise NotFound(f"no job {job_id!r} in this ledger.")
    return job.version, Lane(job.lane)


def add_steps(
    connection: Connection,
    planned: Sequence[tuple[BegunJob | LockedJob, Sequence[PlannedStep]]],
    providers: Mapping[str, str],
) -> None:
    """Write the steps of each job as pending; `providers` says who serves each model."""
    due = now()
    rows = [
        {
            "job_id": job.id,
            "path": step.path,
            "kind": step.kind,
            "parent": step.parent,
            "position": step.position,
            "lane": job.lane,
            "state": StepState.PENDING,
            "missing": step.missing,
            "feeds": list(step.feeds),
            "driven": step.driven,
            "drives": 0,
            "crashes": 0,
            "due_at": due if step.missing == 0 else None,
            "ready_at": due if step.missing == 0 else None,
            "epoch": 0,
            "model": step.model,
            "provider": providers[step.model] if step.model is not None else None,
        }
        for job, steps in planned
        for step in steps
    ]
    if rows:
        connection.execute(_ADD, rows)


def claim_step(connection: Connection, job_id: str, path: str, holder: str, task_id: str | None = None) -> Claim | None:
    """Take the step for `holder`, or None when it cannot run yet, has ended, or someone holds it.

    `task_id` is the Celery task that does it, for people who look for it in Flower.

    A claim raises the step's epoch; what is recorded under an older epoch is kept as an attempt but never wins.
    """
    job, moment = lock_job(connection, job_id), now()
    if job.state is not JobState.RUNNING or (job.deadline_at is not None and job.deadline_at <= moment):
        return None
    claimed = connection.execute(
        _CLAIM, {"of_job": job_id, "at": path, "moment": moment, "holder": holder, "task_id": task_id}
    ).one_or_none()
    if claimed is None:
        return None
    return Claim(
        job=job,
        path=path,
        kind=claimed.kind,
        epoch=claimed.epoch,
        driven=claimed.driven,
        model=claimed.model,
    )


def release_step(connection: Connection, claim: Claim, *, wait: timedelta = timedelta(0)) -> bool:
    """Hand a claimed step back undone, to be sent again after `wait`; False when the claim has lapsed."""
    return _hand_back(connection, claim, {"due_at": now() + wait})


def put_off_step(connection: Connection, job_id: str, path: str, *, wait: timedelta) -> None:
    """Let a ready step that nobody holds be sent again after `wait`, as if it had not been sent so far."""
    connection.execute(
        update(Step)
        .where(Step.job_id == job_id, Step.path == path, Step.holder.is_(None), Step.due_at.is_not(None))
        .values(due_at=now() + wait, drives=0)
    )


def move_step(connection: Connection, claim: Claim, *, model: str, provider: str, why: str = "") -> bool:
    """Hand a claimed step back undone, to another `model`, and say `why`; False when the claim has lapsed."""
    moved = _hand_back(connection, claim, {"due_at": now(), "model": model, "provider": provider})
    if moved:
        told = f"{claim.model} -> {model}: {why}"
        record_events(connection, [(claim.job_id, claim.path)], EventKind.MOVED, told)
    return moved


def read_wanted(connection: Connection, holder: str) -> set[tuple[str, str]]:
    """The steps (job, path) that `holder` has claimed and that neither have ended themselves nor with their job."""
    held = select(Step.job_id, Step.path).join(Job, Job.id == Step.job_id)
    going_on = held.where(Step.holder == holder, Step.finished_at.is_(None), Job.finished_at.is_(None))
    return {(job_id, path) for job_id, path in connection.execute(going_on)}


def read_given_up(connection: Connection, steps: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of `steps` (job, path) that ended because nobody needs them any more."""
    given_up: set[tuple[str, str]] = set()
    for start in range(0, len(steps), 200):
        these = tuple_(Step.job_id, Step.path).in_(steps[start : start + 200])
        ended = Step.state.in_([StepState.CANCELLED, StepState.SKIPPED])
        rows = connection.execute(select(Step.job_id, Step.path).where(these, ended)).all()
        given_up |= {(row.job_id, row.path) for row in rows}
    return given_up


def _hand_back(connection: Connection, claim: Claim, values: dict[str, datetime | str]) -> bool:
    released = connection.execute(
        update(Step)
        .where(Step.job_id == claim.job_id, Step.path == claim.path, Step.epoch == claim.epoch)
        .where(Step.state == StepState.RUNNING, Step.holder.is_not(None))
        .values(holder=None, ready_at=now(), **values)
    )
    return released.rowcount == 1
