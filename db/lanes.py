"""Move jobs to the fast lane as it empties, so that each tenant always has some jobs that no backlog holds up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Integer, bindparam, func, select, update

from db.overdue import SentAgain, take_steps_of
from mirepoix.ledger.accept import fast_room
from mirepoix.ledger.tables import Job, Step
from mirepoix.states import JobState, Lane

_WAIT = (Job.lane == Lane.BULK, Job.finished_at.is_(None), ~Job.batch)
"""Jobs that wait for their turn; those whose calls may wait for a batch never have one."""
_OF_TENANT = (*_WAIT, Job.tenant == bindparam("of_tenant"))
_MOST = select(func.max(Job.priority)).where(*_OF_TENANT)
_NEXT = _MOST.where(Job.priority < bindparam("below"))
_OLDEST = (
    select(Job.id)
    .where(*_OF_TENANT, Job.priority == bindparam("urgency"))
    .order_by(Job.id)
    .limit(bindparam("most", type_=Integer))
    .with_for_update(skip_locked=True)
)


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
    job_ids = _most_urgent(connection, tenant, fast_room(connection, tenant))
    return _promote(connection, job_ids) if job_ids else []


def _most_urgent(connection: Connection, tenant: str, room: int) -> list[str]:
    if room <= 0:
        return []
    found: list[str] = []
    urgency: int | None = connection.execute(_MOST, {"of_tenant": tenant}).scalar_one()
    while urgency is not None:
        most = room - len(found)
        found += connection.scalars(_OLDEST, {"of_tenant": tenant, "urgency": urgency, "most": most})
        if len(found) == room:
            break
        urgency = connection.execute(_NEXT, {"of_tenant": tenant, "below": urgency}).scalar_one()
    return found


def _promote(connection: Connection, job_ids: list[str]) -> list[Promoted]:
    moved = update(Job).where(Job.id.in_(job_ids)).values(lane=Lane.FAST).returning(Job.id, Job.state)
    states = {row.id: row.state for row in connection.execute(moved)}
    begun = [job_id for job_id in job_ids if states[job_id] == JobState.RUNNING]
    if begun:
        of_them = (Step.job_id.in_(begun), Step.finished_at.is_(None))
        connection.execute(update(Step).where(*of_them).values(lane=Lane.FAST))
    steps = {job_id: tuple(take_steps_of(connection, job_id)) for job_id in begun}
    return [Promoted(job_id, states[job_id] == JobState.QUEUED, steps.get(job_id, ())) for job_id in job_ids]
