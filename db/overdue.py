"""Find what should have moved and did not: jobs nobody started, ready steps nobody claimed, jobs past their deadline.

Rows are taken by whoever locks them first, and passed over by the others, so that of many reconcilers one sends each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, select, update

from db.answers import AnyRow, ready_step
from db.events import START, record_events
from mirepoix.ledger.tables import Job, Step, now
from mirepoix.planned import ReadyStep
from mirepoix.states import EventKind, JobState, Lane

LONGEST_WAIT = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class SentAgain:
    """A step that is to be sent again, and how often it has been since it was last claimed."""

    step: ReadyStep
    drives: int


def overdue_jobs(connection: Connection, lane: Lane, patience: timedelta, limit: int) -> list[str]:
    """Accepted jobs of `lane` that nobody has started for `patience`, the longest overdue first."""
    query = select(Job.id).where(Job.lane == lane, Job.due_at < now() - patience).order_by(Job.due_at).limit(limit)
    return list(connection.scalars(query))


def take_overdue_jobs(connection: Connection, lane: Lane, patience: timedelta, limit: int) -> list[str]:
    """As `overdue_jobs`, for this process to publish them; each waits longer after each time."""
    query = select(Job.id, Job.drives).where(Job.lane == lane, Job.due_at < now() - patience)
    jobs = connection.execute(query.order_by(Job.due_at).limit(limit).with_for_update(skip_locked=True)).all()
    for job in jobs:
        later = _next_look(patience, job.drives)
        connection.execute(update(Job).where(Job.id == job.id).values(due_at=later, drives=job.drives + 1))
    record_events(connection, [(job.id, START) for job in jobs], EventKind.DRIVEN, "by the reconciler")
    return [job.id for job in jobs]


def has_overdue_steps(connection: Connection, provider: str | None, lane: Lane, patience: timedelta) -> bool:
    """Whether a ready step of that queue has waited for longer than `patience`."""
    query = select(Step.path).where(*_waiting(provider, lane, patience)).limit(1)
    return connection.execute(query).one_or_none() is not None


def take_overdue_steps(
    connection: Connection, provider: str | None, lane: Lane, patience: timedelta, limit: int
) -> list[SentAgain]:
    """Ready steps of that queue for this process to publish, the longest overdue first.

    Each waits longer after each time, and from now on no canvas is counted on to lead to it.
    """
    query = select(Step.job_id, Step.path, Step.kind, Step.lane, Step.provider, Step.model, Step.drives)
    query = query.where(*_waiting(provider, lane, patience)).order_by(Step.due_at).limit(limit)
    rows: Sequence[AnyRow] = connection.execute(query.with_for_update(skip_locked=True)).all()
    record_events(connection, [(row.job_id, row.path) for row in rows], EventKind.DRIVEN, "by the reconciler")
    return [_send_again(connection, row, patience) for row in rows]


def take_steps_of(connection: Connection, job_id: str) -> list[SentAgain]:
    """All ready steps of one job, for this process to publish now."""
    query = select(Step.job_id, Step.path, Step.kind, Step.lane, Step.provider, Step.model, Step.drives)
    rows: Sequence[AnyRow] = connection.execute(query.where(Step.job_id == job_id, Step.due_at.is_not(None))).all()
    return [_send_again(connection, row, timedelta(0)) for row in rows]


def late_jobs(connection: Connection, limit: int) -> list[str]:
    """Open jobs whose deadline has passed."""
    query = select(Job.id).where(Job.deadline_at < now(), Job.finished_at.is_(None)).limit(limit)
    return list(connection.scalars(query))


def stuck_job_ids(connection: Connection, patience: timedelta, limit: int) -> list[str]:
    """Open jobs that wait to be started, or with a step that waits to be claimed, for longer than `patience`."""
    before = now() - patience
    unstarted = connection.scalars(
        select(Job.id).where(Job.due_at < before, Job.state == JobState.QUEUED).order_by(Job.due_at).limit(limit)
    )
    unclaimed = connection.scalars(
        select(Step.job_id).where(Step.due_at < before).group_by(Step.job_id).order_by(Step.job_id).limit(limit)
    )
    return sorted({*unstarted, *unclaimed})[:limit]


def _waiting(provider: str | None, lane: Lane, patience: timedelta) -> tuple[ColumnElement[bool], ...]:
    return (
        Step.provider.is_(None) if provider is None else Step.provider == provider,
        Step.lane == lane,
        Step.due_at < now() - patience,
    )


def _send_again(connection: Connection, row: AnyRow, patience: timedelta) -> SentAgain:
    values = {"due_at": _next_look(patience, row.drives), "drives": row.drives + 1, "driven": True}
    connection.execute(update(Step).where(Step.job_id == row.job_id, Step.path == row.path).values(values))
    return SentAgain(ready_step(row.job_id, row.path, row), row.drives + 1)


def _next_look(patience: timedelta, drives: int) -> datetime:
    """Such that the next time comes after `patience`, twice that, four times that, …"""
    doubled: int = 2 ** min(drives, 16)
    return now() + min(patience * (doubled - 1), LONGEST_WAIT)
