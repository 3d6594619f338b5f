"""How long models have taken of late."""

from __future__ import annotations

from statistics import median

from sqlalchemy import Connection, func, select

from mirepoix.ledger.tables import Attempt

LOOKED_AT = 2000
"""The newest attempts: a bounded look along the primary key, however many there are."""
ENOUGH = 50
"""Of one model."""


def recent_latencies(connection: Connection) -> dict[str, float]:
    """The median seconds of the newest answered attempts, of each model that has some, but for those of batches."""
    newest = connection.execute(select(func.max(Attempt.id))).scalar_one() or 0
    query = (
        select(Attempt.model, Attempt.latency)
        .where(Attempt.id > newest - LOOKED_AT, Attempt.finished_at.is_not(None), Attempt.error_kind.is_(None))
        .where(Attempt.batch.is_(None))
        .order_by(Attempt.id.desc())
    )
    seen: dict[str, list[float]] = {}
    for model, latency in connection.execute(query):
        of_model = seen.setdefault(model, [])
        if latency is not None and len(of_model) < ENOUGH:
            of_model.append(latency)
    return {model: median(latencies) for model, latencies in seen.items() if latencies}
