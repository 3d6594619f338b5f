"""One job, one lock: transactions that change a job's steps take turns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, bindparam, select

from mirepoix.again import Again
from mirepoix.errors import NotFound
from mirepoix.ledger.tables import Job
from mirepoix.states import JobState, Lane

_JOB = (
    select(
        Job.state,
        Job.tenant,
        Job.lane,
        Job.pipeline,
        Job.version,
        Job.input_hash,
        Job.task,
        Job.max_cost.label("max_cost"),
        Job.deadline_at,
        Job.batch,
        Job.stream,
        Job.traceparent,
        Job.tracestate,
        Job.again,
    )
    .where(Job.id == bindparam("job"))
    .with_for_update()
)
_HOLD = select(Job.id).where(Job.id == bindparam("job")).with_for_update()
HELD = select(Job.id).where(Job.id == bindparam("of_job")).with_for_update().scalar_subquery()
"""The job's id for the condition of a statement, which holds the job as `hold_job` does before it changes anything.

What it changes it sees as it is under the lock; all else it reads as it was before.
"""


@dataclass(frozen=True, slots=True)
class LockedJob:
    """What the holder of a job's lock knows of it."""

    id: str
    state: JobState
    tenant: str
    lane: Lane
    pipeline: str
    version: str
    input_hash: str
    task: str | None
    max_cost: Decimal | None
    deadline_at: datetime | None
    batch: bool
    stream: bool
    traceparent: str | None
    tracestate: str | None = None
    again: Again | None = None


def lock_job(connection: Connection, job_id: str) -> LockedJob:
    """Hold the row of `job_id` until the transaction ends; raises NotFound."""
    job = connection.execute(_JOB, {"job": job_id}).one_or_none()
    if job is None:
        raise NotFound(f"no job {job_id!r} in this ledger.")
    return LockedJob(
        id=job_id,
        state=JobState(job.state),
        tenant=job.tenant,
        lane=Lane(job.lane),
        pipeline=job.pipeline,
        version=job.version,
        input_hash=job.input_hash,
        task=job.task,
        max_cost=job.max_cost,
        deadline_at=job.deadline_at,
        batch=job.batch,
        stream=job.stream,
        traceparent=job.traceparent,
        tracestate=job.tracestate,
        again=None if job.again is None else Again.model_validate(job.again),
    )


def hold_job(connection: Connection, job_id: str) -> None:
    """As `lock_job`, for who knows the job; where there is none any more nothing happens.

    SQLite needs no row lock: a write transaction there has the whole ledger to itself.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(_HOLD, {"job": job_id})
