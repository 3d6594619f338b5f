"""One job, one lock: transactions that change a job's steps take turns."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection, select

from mirepoix.errors import NotFound
from mirepoix.ledger.tables import Job
from mirepoix.states import JobState


@dataclass(frozen=True, slots=True)
class LockedJob:
    """What the holder of a job's lock knows of it."""

    state: JobState
    tenant: str
    max_cost: Decimal | None
    pipeline: str
    version: str
    input_hash: str
    task: str | None


def lock_job(connection: Connection, job_id: str) -> LockedJob:
    """Hold the row of `job_id` until the transaction ends; raises NotFound.

    SQLite needs no row lock: a write transaction there has the whole ledger to itself.
    """
    query = select(
        Job.state, Job.tenant, Job.max_cost.label("max_cost"), Job.pipeline, Job.version, Job.input_hash, Job.task
    ).where(Job.id == job_id)
    job = connection.execute(query.with_for_update()).one_or_none()
    if job is None:
        raise NotFound(f"no job {job_id!r} in this ledger.")
    return LockedJob(JobState(job.state), job.tenant, job.max_cost, job.pipeline, job.version, job.input_hash, job.task)
