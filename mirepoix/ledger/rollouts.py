"""What a rollout makes of jobs while they are accepted: which version each gets and why, and which are shadowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert
from ulid import ULID

from mirepoix.ledger.canaries import begin_canary
from mirepoix.ledger.tables import Decision, Job
from mirepoix.paths import ACCEPTANCE
from mirepoix.rollouts import SHADOW, TAG, Drawn, NextVersion, draw, is_shadowed, stay
from mirepoix.states import Lane

LEAST_URGENT = -100
LONGEST_WAIT = timedelta(days=1)
"""A shadow that nobody had time for until then is given up: shadows never pile up behind a backlog."""

Row = Mapping[str, Any]
"""A row of `jobs` that is about to be written."""


def draw_versions(connection: Connection, new: NextVersion, rows: Sequence[Row]) -> list[Drawn]:
    """Which way each of `rows` goes, all of one pipeline; nowhere else while the canary is stopped.

    That is looked up here, in the transaction that accepts them: whoever stops a canary stops it for all producers.
    """
    if new.rollout.canary is None or not rows:
        return []
    pipeline, moment = rows[0]["pipeline"], rows[0]["created_at"]
    standing = begin_canary(connection, pipeline, new.version, new.rollout.to, moment)
    if not standing.runs:
        return [stay(pipeline, new, standing.reason) for _ in rows]
    return [draw(pipeline, new, _sticky(new.rollout.by, row), row["id"]) for row in rows]


def record_versions(connection: Connection, drawn: Mapping[str, Drawn], moment: datetime) -> None:
    """Write down, for each job, which version it got and why."""
    rows = [
        {
            "job_id": job_id,
            "path": ACCEPTANCE,
            "epoch": 0,
            "kind": "canary",
            "choice": way.decision.choice,
            "reason": way.decision.reason,
            "confidence": way.decision.confidence,
            "features": way.decision.features,
            "created_at": moment,
        }
        for job_id, way in drawn.items()
    ]
    if rows:
        connection.execute(insert(Decision), rows)


def accept_shadows(connection: Connection, new: NextVersion, rows: Sequence[Row]) -> dict[str, str]:
    """Write the shadows of those of `rows` that are drawn and that the next version does not answer anyway.

    Returns their ids by the job that they shadow. A shadow is a job of its own, whose tenant is the house: its cost
    bound is that of its job, but nobody waits for it, pays for it, or is told of it.
    """
    shadowed = [row for row in rows if not row["canary"] and is_shadowed(new, row["id"])]
    shadows = [_shadow(row, new) for row in shadowed]
    if shadows:
        connection.execute(insert(Job), shadows)
    return {shadow["shadow_of"]: shadow["id"] for shadow in shadows}


def _shadow(row: Row, new: NextVersion) -> dict[str, Any]:
    latest = row["created_at"] + LONGEST_WAIT
    return {
        **row,
        "id": str(ULID()),
        "tenant": SHADOW,
        "key": None,
        "pipeline": new.rollout.to,
        "version": new.version,
        "lane": Lane.BULK,
        "priority": LEAST_URGENT,
        "deadline_at": min(row["deadline_at"] or latest, latest),
        "batch": False,
        "stream": False,
        "traceparent": None,
        "tracestate": None,
        "tags": {},
        "callback": None,
        "shadow_of": row["id"],
        "canary": None,
    }


def _sticky(by: str, row: Row) -> str | None:
    """What is drawn by; None where the job has no such thing."""
    if by.startswith(TAG):
        given: str | None = row["tags"].get(by.removeprefix(TAG))
        return given
    value: str | None = row["input_hash" if by == "input" else by]
    return value
