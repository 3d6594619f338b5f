"""Begin jobs, write their steps, and claim steps for this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, func, select, update
from sqlalchemy import insert as insert_into

from db.locks import LockedJob, lock_job
from mirepoix.ledger.tables import Job, PipelineVersion, Step, now
from mirepoix.planned import PlannedStep
from mirepoix.spec import Pipeline, parse
from mirepoix.states import JobState, StepState

OPEN = (StepState.PENDING, StepState.RUNNING)
OVERDUE = timedelta(seconds=10)
"""How long a ready step may stay unclaimed before the reconciler wonders whether its message was lost."""


@dataclass(frozen=True, slots=True)
class Claim:
    """This process's right to do one step, until a newer `epoch` is claimed."""

    job_id: str
    path: str
    kind: str
    epoch: int
    driven: bool
    model: str | None
    version: str
    input_hash: str
    task: str | None


def read_spec(connection: Connection, version: str) -> Pipeline:
    """The pipeline of that version, as jobs were submitted to it."""
    query = select(PipelineVersion.spec).where(PipelineVersion.version == version)
    return parse(connection.execute(query).scalar_one())


def read_version(connection: Connection, job_id: str) -> str:
    """The version of the pipeline that the job was submitted to."""
    return connection.execute(select(Job.version).where(Job.id == job_id)).scalar_one()


def begin_job(connection: Connection, job_id: str) -> LockedJob | None:
    """Move the job from queued to running; None when it was not queued (a duplicate, or cancelled)."""
    job = lock_job(connection, job_id)
    if job.state is not JobState.QUEUED:
        return None
    connection.execute(
        update(Job).where(Job.id == job_id).values(state=JobState.RUNNING, started_at=now(), due_at=None)
    )
    return job


def add_steps(connection: Connection, job_id: str, steps: Sequence[PlannedStep], providers: Mapping[str, str]) -> None:
    """Write `steps` as pending; `providers` says who serves each model."""
    due = now() + OVERDUE
    rows = [
        {
            "job_id": job_id,
            "path": step.path,
            "kind": step.kind,
            "parent": step.parent,
            "position": step.position,
            "state": StepState.PENDING,
            "missing": step.missing,
            "feeds": list(step.feeds),
            "driven": False,
            "drives": 0,
            "crashes": 0,
            "due_at": due if step.missing == 0 else None,
            "epoch": 0,
            "model": step.model,
            "provider": providers[step.model] if step.model is not None else None,
        }
        for step in steps
    ]
    connection.execute(insert_into(Step), rows)


def claim_step(connection: Connection, job_id: str, path: str, holder: str) -> Claim | None:
    """Take the step for `holder`, or None when it cannot run yet, has ended, or someone holds it.

    A claim raises the step's epoch; what is recorded under an older epoch is kept as an attempt but never wins.
    """
    job = lock_job(connection, job_id)
    if job.state is not JobState.RUNNING:
        return None
    claimed = connection.execute(
        update(Step)
        .where(Step.job_id == job_id, Step.path == path, Step.state.in_(OPEN))
        .where(Step.missing == 0, Step.holder.is_(None))
        .values(
            state=StepState.RUNNING,
            epoch=Step.epoch + 1,
            holder=holder,
            due_at=None,
            started_at=func.coalesce(Step.started_at, now()),
        )
        .returning(Step.epoch, Step.kind, Step.driven, Step.model)
    ).one_or_none()
    if claimed is None:
        return None
    return Claim(
        job_id=job_id,
        path=path,
        kind=claimed.kind,
        epoch=claimed.epoch,
        driven=claimed.driven,
        model=claimed.model,
        version=job.version,
        input_hash=job.input_hash,
        task=job.task,
    )


def release_step(
    connection: Connection, claim: Claim, *, model: str | None = None, provider: str | None = None
) -> bool:
    """Hand a claimed step back undone, to another `model` where one is given; False when the claim has lapsed."""
    values = {"model": model, "provider": provider} if model is not None else {}
    released = connection.execute(
        update(Step)
        .where(Step.job_id == claim.job_id, Step.path == claim.path, Step.epoch == claim.epoch)
        .where(Step.state == StepState.RUNNING, Step.holder.is_not(None))
        .values(holder=None, due_at=now() + OVERDUE, **values)
    )
    return released.rowcount == 1
