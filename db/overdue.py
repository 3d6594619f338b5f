"""Find what should have moved and did not: jobs nobody started, ready steps nobody claimed.

Each is taken by a compare-and-set on its `due_at`, so that of many reconcilers one publishes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select, update

from mirepoix.ledger.tables import Job, Step, now
from mirepoix.planned import ReadyStep
from mirepoix.states import JobState

FIRST_WAIT = timedelta(seconds=10)
LONGEST_WAIT = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class OverdueStep:
    """A ready step that nobody claimed in time, and what the compare-and-set needs to know of it."""

    step: ReadyStep
    due_at: datetime
    drives: int


@dataclass(frozen=True, slots=True)
class OverdueJob:
    """An accepted job that nobody started in time."""

    job_id: str
    due_at: datetime


def overdue_jobs(connection: Connection, limit: int) -> list[OverdueJob]:
    """Accepted jobs that were not started, the longest overdue first."""
    query = select(Job.id, Job.due_at).where(Job.due_at < now(), Job.state == JobState.QUEUED)
    rows = connection.execute(query.order_by(Job.due_at).limit(limit))
    return [OverdueJob(row.id, row.due_at) for row in rows]


def overdue_steps(connection: Connection, limit: int) -> list[OverdueStep]:
    """Ready steps of running jobs that nobody claimed, the longest overdue first."""
    query = (
        select(Step.job_id, Step.path, Step.kind, Step.provider, Step.model, Step.due_at, Step.drives)
        .join(Job, Job.id == Step.job_id)
        .where(Step.due_at < now(), Job.state == JobState.RUNNING)
        .order_by(Step.due_at)
        .limit(limit)
    )
    return [
        OverdueStep(ReadyStep(row.job_id, row.path, row.kind, row.provider, row.model), row.due_at, row.drives)
        for row in connection.execute(query)
    ]


def take_overdue_job(connection: Connection, job: OverdueJob) -> bool:
    """Claim the right to publish the job again; the next look at it is `FIRST_WAIT` away."""
    taken = connection.execute(
        update(Job).where(Job.id == job.job_id, Job.due_at == job.due_at).values(due_at=now() + FIRST_WAIT)
    )
    return taken.rowcount == 1


def take_overdue_step(connection: Connection, overdue: OverdueStep) -> bool:
    """Claim the right to publish the step again, backing off exponentially; from now on no canvas is counted on."""
    wait = min(FIRST_WAIT * 2 ** min(overdue.drives, 16), LONGEST_WAIT)
    taken = connection.execute(
        update(Step)
        .where(Step.job_id == overdue.step.job_id, Step.path == overdue.step.path, Step.due_at == overdue.due_at)
        .values(due_at=now() + wait, drives=Step.drives + 1, driven=True)
    )
    return taken.rowcount == 1


def postpone_step(connection: Connection, overdue: OverdueStep, wait: timedelta) -> None:
    """Look again after `wait`: its message is still in the queue, a backlog is not a loss."""
    connection.execute(
        update(Step)
        .where(Step.job_id == overdue.step.job_id, Step.path == overdue.step.path, Step.due_at == overdue.due_at)
        .values(due_at=now() + wait)
    )
