"""What goes on at this moment: bounded looks at the ledger, so that they stay quick however much it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from mirepoix.ledger.tables import Attempt, Batch, Job, Step, Worker
from mirepoix.states import BatchState

NEWEST_LATENCIES = 500
MOST_COUNTED = 100_000
"""To count beyond would cost more than it tells."""


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """The steps of one provider (None: the orchestrators): ready since when, and in some process's hands."""

    provider: str | None
    ready: int
    oldest: datetime | None
    held: int


@dataclass(frozen=True, slots=True)
class OpenJobs:
    """Jobs that wait to be started, and jobs at work."""

    queued: int
    running: int


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """A worker process thought alive."""

    name: str
    queues: Sequence[str]
    started_at: datetime
    seen_at: datetime


def newest_latencies(connection: Connection) -> list[float]:
    """The seconds of the newest answered attempts, 500 at the most, in rising order."""
    newest = connection.execute(select(func.max(Attempt.id))).scalar_one() or 0
    query = select(Attempt.latency).where(
        Attempt.id > newest - NEWEST_LATENCIES,
        Attempt.latency.is_not(None),
        Attempt.error_kind.is_(None),
        Attempt.cached_from.is_(None),
        Attempt.batch.is_(None),
    )
    return sorted(latency for latency in connection.scalars(query).all() if latency is not None)


def queue_figures(connection: Connection) -> dict[str | None, QueueFigures]:
    """Of each provider that has steps ready, or at work other than in a batch."""
    ready = connection.execute(
        select(Step.provider, func.count().label("steps"), func.min(Step.due_at).label("oldest"))
        .where(Step.due_at.is_not(None))
        .group_by(Step.provider)
    ).all()
    in_batches = Step.holder.in_(select(Batch.id).where(Batch.state != BatchState.ENDED))
    at_work = select(Step.provider, func.count()).where(Step.holder.is_not(None), ~in_batches)
    held = dict(connection.execute(at_work.group_by(Step.provider)).all())
    found = {
        row.provider: QueueFigures(row.provider, row.steps, row.oldest, held.pop(row.provider, 0)) for row in ready
    }
    return found | {provider: QueueFigures(provider, 0, None, steps) for provider, steps in held.items()}


def open_jobs(connection: Connection) -> OpenJobs:
    """How many jobs have not ended; counted along the indexes of what is open, without a look at their rows."""
    open_, queued = select(Job.id).where(Job.finished_at.is_(None)), select(Job.lane).where(Job.due_at.is_not(None))
    counts = (select(func.count()).select_from(some.limit(MOST_COUNTED).subquery()) for some in (open_, queued))
    all_, waiting = (connection.execute(count).scalar_one() for count in counts)
    return OpenJobs(queued=waiting, running=max(0, all_ - waiting))


def living_workers(connection: Connection) -> list[WorkerFigures]:
    """The worker processes thought alive, by name."""
    query = select(Worker.name, Worker.queues, Worker.started_at, Worker.seen_at).where(Worker.alive)
    return [WorkerFigures(*row) for row in connection.execute(query.order_by(Worker.name))]
