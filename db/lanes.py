"""Move jobs to the fast lane as it empties, so that each tenant always has some jobs that no backlog holds up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, update

from db.overdue import SentAgain, take_steps_of
from mirepoix.ledger.accept import fast_room
from mirepoix.ledger.tables import Job, Step
from mirepoix.states import JobState, Lane

_WAIT = (Job.lane == Lane.BULK, Job.finished_at.is_(None), ~Job.batch)
"""Jobs that wait for their turn; those whose calls may wait for a batch never have one."""


@dataclass(frozen=True, slots=True)
class Promoted:
    """A job that has come into the fast lane: to be started there, or `steps` of it to be sent there."""

    job_id: str
    start: bool
    steps: tuple[SentAgain, ...]


def waiting_tenants(connection: Connection) -> Iterator[str]:
    """The tenants with open jobs in the bulk lane; one index look-up each."""
    last = ""
    while True:
        query = select(func.min(Job.tenant)).where(*_WAIT, Job.tenant > last)
        found: str | None = connection.execute(query).scalar_one()
        if found is None:
            return
        last = found
        yield last


def fill_fast_lane(connection: Connection, tenant: str) -> list[Promoted]:
    """Promote the tenant's most urgent open jobs, of these the oldest, as far as there is room."""
    return [_promote(connection, job_id) for job_id in _most_urgent(connection, tenant, fast_room(connection, tenant))]


def _most_urgent(connection: Connection, tenant: str, room: int) -> list[str]:
    if room <= 0:
        return []
    found: list[str] = []
    bulk = (*_WAIT, Job.tenant == tenant)
    urgency: int | None = connection.execute(select(func.max(Job.priority)).where(*bulk)).scalar_one()
    while urgency is not None and len(found) < room:
        query = select(Job.id).where(*bulk, Job.priority == urgency).order_by(Job.id).limit(room - len(found))
        found += connection.scalars(query.with_for_update(skip_locked=True))
        urgency = connection.execute(select(func.max(Job.priority)).where(*bulk, Job.priority < urgency)).scalar_one()
    return found


def _promote(connection: Connection, job_id: str) -> Promoted:
    query = update(Job).where(Job.id == job_id).values(lane=Lane.FAST).returning(Job.state)
    state = connection.execute(query).scalar_one()
    connection.execute(update(Step).where(Step.job_id == job_id, Step.finished_at.is_(None)).values(lane=Lane.FAST))
    steps = tuple(take_steps_of(connection, job_id)) if state == JobState.RUNNING else ()
    return Promoted(job_id, state == JobState.QUEUED, steps)
