"""Move jobs to the fast lane as it empties, so that each tenant always has some jobs that no backlog holds up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Integer, bindparam, func, select, update

from db.answers import ready_step
from mirepoix.ledger.lanes import read_standing
from mirepoix.ledger.tables import Job, Step, now
from mirepoix.planned import ReadyStep
from mirepoix.states import JobState, Lane

_WAIT = (Job.lane == Lane.BULK, Job.finished_at.is_(None), ~Job.batch)
"""Jobs that wait for their turn; those whose calls may wait for a batch never have one."""
_OF_TENANT = (*_WAIT, Job.tenant == bindparam("of_tenant"))
_NEXT = select(func.max(Job.priority)).where(*_OF_TENANT, Job.priority < bindparam("below"))
_OLDEST = (
    select(Job.id)
    .where(*_OF_TENANT, Job.priority == bindparam("urgency"))
    .order_by(Job.id)
    .limit(bindparam("most", type_=Integer))
    .with_for_update(skip_locked=True)
)
_MOVE = update(Job).where(Job.id.in_(bindparam("jobs", expanding=True))).values(lane=Lane.FAST)
_MOVE_STEPS = (
    update(Step)
    .where(Step.job_id.in_(bindparam("jobs", expanding=True)), Step.finished_at.is_(None))
    .values(lane=Lane.FAST)
)
_SEND = (
    update(Step)
    .where(Step.job_id.in_(bindparam("jobs", expanding=True)), Step.due_at.is_not(None))
    .values(drives=Step.drives + 1, driven=True)
    .returning(Step.job_id, Step.path, Step.kind, Step.lane, Step.provider, Step.model)
)


@dataclass(frozen=True, slots=True)
class Promotion:
    """What has come into the fast lane and is to be sent there: jobs to be started, and steps of those that run."""

    starts: list[str]
    steps: list[ReadyStep]


def waiting_tenants(connection: Connection) -> Iterator[str]:
    """The tenants whose jobs in the bulk lane are to come into the fast one, and find room there."""
    last = ""
    while True:
        query = select(func.min(Job.tenant)).where(*_WAIT, Job.tenant > last)
        found: str | None = connection.execute(query).scalar_one()
        if found is None:
            return
        last = found
        standing = read_standing(connection, found)
        if standing.waits and standing.room > 0:
            yield found


def fill_fast_lane(connection: Connection, tenant: str) -> Promotion:
    """Let in the tenant's most urgent open jobs that wait for others, of these the oldest, as far as there is room."""
    job_ids = _most_urgent(connection, tenant)
    if not job_ids:
        return Promotion([], [])
    moved = connection.execute(_MOVE.returning(Job.id, Job.state), {"jobs": job_ids})
    states = {row.id: row.state for row in moved}
    begun = {"jobs": [job_id for job_id in job_ids if states[job_id] == JobState.RUNNING]}
    connection.execute(_MOVE_STEPS, begun)
    ready = connection.execute(_SEND, {**begun, "due_at": now()}).all()
    return Promotion(
        [job_id for job_id in job_ids if states[job_id] == JobState.QUEUED],
        [ready_step(row.job_id, row.path, row) for row in ready],
    )


def _most_urgent(connection: Connection, tenant: str) -> list[str]:
    standing = read_standing(connection, tenant)
    found: list[str] = []
    urgency = standing.most_urgent if standing.waits else None
    while urgency is not None and (standing.others or urgency != standing.least_urgent):
        most = standing.room - len(found)
        if most <= 0:
            break
        found += connection.scalars(_OLDEST, {"of_tenant": tenant, "urgency": urgency, "most": most})
        urgency = connection.execute(_NEXT, {"of_tenant": tenant, "below": urgency}).scalar_one()
    return found
