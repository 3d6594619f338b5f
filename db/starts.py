"""Begin jobs: from queued to running, many in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select, update

from mirepoix.ledger.tables import Job, now
from mirepoix.states import JobState, Lane

_THESE = Job.id.in_(bindparam("jobs", expanding=True))
_LOCKED = select(Job.id).where(_THESE).order_by(Job.id).with_for_update()
"""In order, so that two deliveries of the same jobs do not wait for each other."""
_BEGIN = (
    update(Job)
    .where(Job.id.in_(_LOCKED), Job.state == JobState.QUEUED)
    .values(state=JobState.RUNNING, due_at=None)
    .returning(Job.id, Job.lane, Job.pipeline, Job.version)
)
_KNOWN = select(Job.id).where(_THESE)


@dataclass(frozen=True, slots=True)
class BegunJob:
    """A job that has just become running, and whose steps are to be written."""

    id: str
    lane: Lane
    pipeline: str
    version: str


def begin_jobs(connection: Connection, job_ids: Sequence[str]) -> list[BegunJob]:
    """Move jobs from queued to running; those that were not queued (a duplicate, or cancelled) are left out.

    Holds the rows of those that it returns, in the order of their ids, until the transaction ends.
    """
    rows = connection.execute(_BEGIN, {"jobs": list(job_ids), "started_at": now()})
    return sorted((BegunJob(row.id, Lane(row.lane), row.pipeline, row.version) for row in rows), key=lambda job: job.id)


def unknown_jobs(connection: Connection, job_ids: Sequence[str]) -> set[str]:
    """Those that are not in the ledger."""
    return set(job_ids) - set(connection.scalars(_KNOWN, {"jobs": list(job_ids)}))
