"""Write down what somebody outside is to be told, in the transaction in which it comes true.

So nothing is told that did not happen, and nothing that happened is forgotten. The orchestrators send it.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue
from sqlalchemy import Connection, insert
from ulid import ULID

from mirepoix.ledger.tables import Delivery, now
from mirepoix.states import DeliveryState

JOB_ENDED, BUDGET_ALERT, CANARY_STOPPED = "job.ended", "budget.alert", "canary.stopped"


def announce_end(connection: Connection, job_id: str, tenant: str, url: str) -> None:
    """Let the end of a job be told to `url`; the caller has just ended it, so this comes once."""
    _write(connection, {"event": JOB_ENDED, "job_id": job_id, "tenant": tenant, "url": url, "payload": {}})


def announce_alert(
    connection: Connection,
    event: str,
    tenant: str,
    url: str,
    secret_env: str | None,
    payload: Mapping[str, JsonValue],
) -> None:
    """Let `payload`, on a tenant's budget or, under `*`, on what concerns all of them, be told to `url`."""
    alert = {"event": event, "tenant": tenant, "url": url, "secret_env": secret_env}
    _write(connection, {**alert, "payload": dict(payload)})


def _write(connection: Connection, row: Mapping[str, object]) -> None:
    moment = now()
    fixed = {"id": str(ULID()), "state": DeliveryState.PENDING, "tries": 0, "due_at": moment, "created_at": moment}
    connection.execute(insert(Delivery).values(**row, **fixed))
