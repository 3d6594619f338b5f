"""How much waits in the ledger, for each queue, and for how long: one query, by indices of what is open only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import product

from sqlalchemy import Connection, Select, func, literal, select, union_all

from mirepoix.ledger.tables import Job, Step, now
from mirepoix.queues import queue_name
from mirepoix.states import JobState, Lane

MOST_COUNTED = 100_000
"""Per queue. To count beyond would cost more than it tells."""


@dataclass(frozen=True, slots=True)
class Depth:
    """What waits for the workers of a queue: `waiting` steps or jobs, the oldest for `oldest` seconds."""

    queue: str
    waiting: int
    oldest: float


@dataclass(frozen=True, slots=True)
class Standings:
    """The queues, and how many jobs are in each state that is not an end."""

    queues: list[Depth]
    jobs: dict[JobState, int]


def read_standings(connection: Connection, providers: Iterable[str]) -> Standings:
    """All queues of these providers and of the orchestrators, also the empty ones."""
    starts = {lane: _count(select(Job.due_at).where(Job.lane == lane, Job.due_at.is_not(None)), lane) for lane in Lane}
    steps = [
        _count(_due_steps(provider, lane), queue_name(provider, lane))
        for provider, lane in product([None, *providers], Lane)
    ]
    running = select(Job.due_at).where(Job.finished_at.is_(None), Job.state == JobState.RUNNING)
    counts = [*starts.values(), *steps, _count(running, JobState.RUNNING)]
    rows = {row.name: (int(row.waiting), row.since) for row in connection.execute(union_all(*counts))}
    queued = {lane: rows.pop(lane) for lane in Lane}
    jobs = {
        JobState.QUEUED: sum(count for count, _ in queued.values()),
        JobState.RUNNING: rows.pop(JobState.RUNNING)[0],
    }
    for lane, (count, since) in queued.items():  # jobs that are to be started wait in the orchestrators' queues
        name = queue_name(None, lane)
        rows[name] = (rows[name][0] + count, min(filter(None, (rows[name][1], since)), default=None))
    at = now()
    return Standings([Depth(name, count, _age(since, at)) for name, (count, since) in rows.items()], jobs)


def held_calls(connection: Connection) -> dict[str, int]:
    """How many calls of each provider are in some process's hands; none where it has none."""
    held = select(Step.provider, func.count()).where(Step.holder.is_not(None), Step.provider.is_not(None))
    return {str(provider): count for provider, count in connection.execute(held.group_by(Step.provider))}


def _due_steps(provider: str | None, lane: Lane) -> Select[datetime | None]:
    served = Step.provider.is_(None) if provider is None else Step.provider == provider
    return select(Step.due_at).where(served, Step.lane == lane, Step.due_at.is_not(None))


def _count(due: Select[datetime | None], name: str) -> Select[str, int, datetime | None]:
    bounded = due.limit(MOST_COUNTED).subquery()
    return select(
        literal(str(name)).label("name"), func.count().label("waiting"), func.min(bounded.c.due_at).label("since")
    ).select_from(bounded)


def _age(since: datetime | None, at: datetime) -> float:
    return 0.0 if since is None else max(0.0, (at - since).total_seconds())
