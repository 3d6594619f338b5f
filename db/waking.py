"""Wake steps that wait for steps below them, when the time is up for which they wait."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, select, update

from db.answers import ready_step
from db.locks import lock_job
from db.steps import OPEN
from mirepoix.ledger.tables import Step, now
from mirepoix.planned import ReadyStep


@dataclass(frozen=True, slots=True)
class Wake:
    """A step that is to be woken, unless it has been claimed since it had this epoch."""

    job_id: str
    path: str
    epoch: int


def wake_step(connection: Connection, wake: Wake) -> ReadyStep | None:
    """Make the step ready although some of what it waits for is missing; None when it is awake, or has moved on.

    Raises NotFound when there is no such job any more.
    """
    lock_job(connection, wake.job_id)
    step = connection.execute(
        update(Step)
        .where(Step.job_id == wake.job_id, Step.path == wake.path, Step.epoch == wake.epoch)
        .where(Step.state.in_(OPEN), Step.holder.is_(None), Step.missing > 0)
        .values(missing=0, due_at=now(), ready_at=now(), wake_at=None, driven=True)
        .returning(Step.kind, Step.lane, Step.provider, Step.model)
    ).one_or_none()
    return None if step is None else ready_step(wake.job_id, wake.path, step)


def late_wakes(connection: Connection, patience: timedelta, limit: int) -> list[Wake]:
    """Steps whose time to be woken passed more than `patience` ago: who was to wake them is gone."""
    query = select(Step.job_id, Step.path, Step.epoch).where(Step.wake_at < now() - patience)
    rows = connection.execute(query.where(Step.finished_at.is_(None), Step.missing > 0).limit(limit)).all()
    return [Wake(row.job_id, row.path, row.epoch) for row in rows]
