"""Jobs of a time that have ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from mirepoix.ledger.tables import Job


def ended_job_ids(connection: Connection, since: datetime, *, pipeline: str | None = None, limit: int) -> list[str]:
    """Those submitted after `since` that have ended, the newest first; at the most `limit`, and no shadows."""
    query = select(Job.id).where(Job.created_at >= since, Job.finished_at.is_not(None), Job.shadow_of.is_(None))
    if pipeline is not None:
        query = query.where(Job.pipeline == pipeline)
    return list(connection.scalars(query.order_by(Job.created_at.desc(), Job.id.desc()).limit(limit)))


def ended_shadow_ids(connection: Connection, job_ids: Sequence[str]) -> list[str]:
    """The shadows of these jobs that have ended."""
    found: list[str] = []
    for start in range(0, len(job_ids), 500):
        query = select(Job.id).where(Job.shadow_of.in_(job_ids[start : start + 500]), Job.finished_at.is_not(None))
        found += connection.scalars(query.order_by(Job.id))
    return found
