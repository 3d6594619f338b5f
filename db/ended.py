"""Jobs of a time that have ended."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from mirepoix.ledger.tables import Job


def ended_job_ids(connection: Connection, since: datetime, *, pipeline: str | None = None, limit: int) -> list[str]:
    """Those submitted after `since` that have ended, the newest first; at the most `limit`."""
    query = select(Job.id).where(Job.created_at >= since, Job.finished_at.is_not(None))
    if pipeline is not None:
        query = query.where(Job.pipeline == pipeline)
    return list(connection.scalars(query.order_by(Job.created_at.desc(), Job.id.desc()).limit(limit)))
