"""What the spans of a job that has ended say: read once, when it has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from mirepoix.ledger.tables import Job, Step


@dataclass(frozen=True, slots=True)
class EndedJob:
    """A job from its submission to its end."""

    id: str
    pipeline: str
    version: str
    state: str
    error_kind: str | None
    traceparent: str | None
    tracestate: str | None
    created_at: datetime
    finished_at: datetime


@dataclass(frozen=True, slots=True)
class EndedStep:
    """A step that was begun, from its first claim to its end."""

    path: str
    kind: str
    parent: str | None
    state: str
    error_kind: str | None
    model: str | None
    started_at: datetime
    finished_at: datetime


def read_ended_job(connection: Connection, job_id: str) -> EndedJob | None:
    """The job; None when it has not ended, or there is none."""
    query = select(
        Job.id,
        Job.pipeline,
        Job.version,
        Job.state,
        Job.error_kind,
        Job.traceparent,
        Job.tracestate,
        Job.created_at,
        Job.finished_at,
    ).where(Job.id == job_id, Job.finished_at.is_not(None))
    job = connection.execute(query).one_or_none()
    return None if job is None else EndedJob(**job._asdict())


def read_ended_steps(connection: Connection, job_id: str) -> list[EndedStep]:
    """Those of the job's steps that were begun, containers before what is in them."""
    query = select(
        Step.path,
        Step.kind,
        Step.parent,
        Step.state,
        Step.error_kind,
        Step.model,
        Step.started_at,
        Step.finished_at,
    ).where(Step.job_id == job_id, Step.finished_at.is_not(None))
    rows = connection.execute(query.order_by(Step.position)).all()
    begun = {row.path: row.started_at for row in rows}
    parents = {row.path: row.parent for row in rows}
    for row in rows:
        if row.started_at is not None:
            _begin_above(begun, parents, row.parent, row.started_at)
    return [EndedStep(**row._asdict() | {"started_at": begun[row.path]}) for row in rows if begun[row.path]]


def _begin_above(
    begun: dict[str, datetime | None], parents: dict[str, str | None], path: str | None, at: datetime
) -> None:
    """A container begins with the first step inside it; it is claimed only when it decides, a chain never."""
    while path is not None and path in begun:
        earliest = begun[path]
        begun[path] = at if earliest is None else min(earliest, at)
        path = parents[path]
