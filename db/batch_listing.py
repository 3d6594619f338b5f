"""Which batches there are, for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from mirepoix.ledger.tables import Batch
from mirepoix.states import BatchState


@dataclass(frozen=True, slots=True)
class ListedBatch:
    """A batch as the ledger has it; `remote_id` is what its provider calls it, `error` why it last failed."""

    id: str
    provider: str
    model: str
    state: BatchState
    requests: int
    bytes: int
    remote_id: str | None
    failures: int
    error: str | None
    created_at: datetime
    sent_at: datetime | None
    ended_at: datetime | None


def list_batches(
    connection: Connection, *, provider: str | None = None, state: BatchState | None = None, limit: int
) -> list[ListedBatch]:
    """Those that fit, the newest first."""
    query = select(*(getattr(Batch, name) for name in ListedBatch.__dataclass_fields__))
    if provider is not None:
        query = query.where(Batch.provider == provider)
    if state is not None:
        query = query.where(Batch.state == state)
    rows = connection.execute(query.order_by(Batch.id.desc()).limit(limit))
    return [ListedBatch(**{**row._asdict(), "state": BatchState(row.state)}) for row in rows]
