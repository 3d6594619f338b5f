"""The outbox as its senders see it: who takes a delivery puts it off, so that no two send it and none is forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select, update

from mirepoix.errors import NotFound
from mirepoix.ledger.tables import Delivery, now
from mirepoix.printable import printable
from mirepoix.states import DeliveryState


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery to send now; `tries` counts this one. `job_id` is the job that ended, else `payload` says it all."""

    id: str
    event: str
    tenant: str
    job_id: str | None
    payload: dict[str, Any]
    url: str
    secret_env: str | None
    tries: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Logged:
    """A delivery as it stands; `status` and `error` are of the last try, `due_at` is when the next one comes."""

    id: str
    event: str
    tenant: str
    job: str | None
    url: str
    state: DeliveryState
    tries: int
    status: int | None
    error: str | None
    created_at: datetime
    tried_at: datetime | None
    due_at: datetime | None


def has_due(connection: Connection) -> bool:
    """Whether a delivery is to be sent now."""
    return connection.execute(select(Delivery.id).where(Delivery.due_at <= now()).limit(1)).one_or_none() is not None


def take_due(connection: Connection, hold: timedelta, limit: int) -> list[Due]:
    """Deliveries for this process to send, those that wait longest first.

    Each comes back after `hold` unless its outcome has been recorded: its sender may have died. What is then sent
    again has the same id.
    """
    query = select(*Delivery.__table__.c).where(Delivery.due_at <= now()).order_by(Delivery.due_at).limit(limit)
    rows = connection.execute(query.with_for_update(skip_locked=True)).all()
    moment = now()
    for row in rows:
        values = {"due_at": moment + hold, "tries": row.tries + 1, "tried_at": moment}
        connection.execute(update(Delivery).where(Delivery.id == row.id).values(values))
    return [
        Due(
            id=row.id,
            event=row.event,
            tenant=row.tenant,
            job_id=row.job_id,
            payload=row.payload,
            url=row.url,
            secret_env=row.secret_env,
            tries=row.tries + 1,
            created_at=row.created_at,
        )
        for row in rows
    ]


def record_delivered(connection: Connection, due: Due, status: int) -> None:
    """The receiver has taken it."""
    _record(connection, due, state=DeliveryState.DELIVERED, status=status, error=None, due_at=None)


def record_undelivered(
    connection: Connection, due: Due, status: int | None, error: str, again_in: timedelta | None
) -> None:
    """It was not taken; it is tried again in `again_in`, or given up (None)."""
    state = DeliveryState.FAILED if again_in is None else DeliveryState.PENDING
    due_at = None if again_in is None else now() + again_in
    _record(connection, due, state=state, status=status, error=printable(error), due_at=due_at)


def send_again(connection: Connection, delivery_id: str) -> None:
    """Let a delivery be sent now, whatever became of it, as if for the first time; raises NotFound."""
    values = {"state": DeliveryState.PENDING, "due_at": now(), "tries": 0}
    if connection.execute(update(Delivery).where(Delivery.id == delivery_id).values(values)).rowcount == 0:
        raise NotFound(f"no delivery {delivery_id!r} in this ledger. `mirepoix deliveries` lists them.")


def list_deliveries(
    connection: Connection, *, state: DeliveryState | None = None, job_id: str | None = None, limit: int = 50
) -> list[Logged]:
    """The newest first."""
    query = select(*Delivery.__table__.c).order_by(Delivery.created_at.desc(), Delivery.id.desc()).limit(limit)
    if state is not None:
        query = query.where(Delivery.state == state)
    if job_id is not None:
        query = query.where(Delivery.job_id == job_id)
    return [
        Logged(
            id=row.id,
            event=row.event,
            tenant=row.tenant,
            job=row.job_id,
            url=row.url,
            state=DeliveryState(row.state),
            tries=row.tries,
            status=row.status,
            error=row.error,
            created_at=row.created_at,
            tried_at=row.tried_at,
            due_at=row.due_at,
        )
        for row in connection.execute(query)
    ]


def _record(connection: Connection, due: Due, **values: Any) -> None:
    """Only where nobody has taken it anew since: that one's outcome counts."""
    mine = (Delivery.id == due.id, Delivery.tries == due.tries, Delivery.state == DeliveryState.PENDING)
    connection.execute(update(Delivery).where(*mine).values(**values))
