"""What happened to steps out of the common, for the trace. The common costs no row."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, insert

from mirepoix.ledger.tables import StepEvent, now
from mirepoix.states import EventKind

START = "start"
"""In place of a path: what happened to the job before it had steps."""


def record_events(connection: Connection, steps: Iterable[tuple[str, str]], kind: EventKind, detail: str = "") -> None:
    """Write down that `kind` happened to each of `steps` (job, path); `detail` holds nothing of a text."""
    moment, told = now(), detail[:400]
    rows = [
        {"job_id": job_id, "path": path, "kind": kind, "detail": told, "created_at": moment} for job_id, path in steps
    ]
    if rows:
        connection.execute(insert(StepEvent), rows)
