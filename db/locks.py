"""One job, one lock: transactions that change a job's steps take turns."""

from __future__ import annotations

from sqlalchemy import Connection, select

from mirepoix.errors import NotFound
from mirepoix.ledger.tables import Job
from mirepoix.states import JobState


def lock_job(connection: Connection, job_id: str) -> JobState:
    """Hold the row of `job_id` until the transaction ends, and say its state; raises NotFound.

    SQLite needs no row lock: a write transaction there has the whole ledger to itself.
    """
    state = connection.execute(select(Job.state).where(Job.id == job_id).with_for_update()).scalar_one_or_none()
    if state is None:
        raise NotFound(f"no job {job_id!r} in this ledger.")
    return JobState(state)
