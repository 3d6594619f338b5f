"""Pages of jobs, the newest first, filtered: each look is bounded, however rare what is looked for.

A page is read along the index on `created_at` in strides. Where a filter lets hardly anything through, the look ends
after its time, says how far back it came, and can be taken up from there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, or_, select
from sqlalchemy.orm import aliased

from mirepoix.ledger.tables import Attempt, Content, Job
from mirepoix.states import JobState

STRIDE = 500
LONGEST_STRIDE = 8_000
PATIENCE = 0.1
"""Seconds that a look may take, about."""

_JobRow = Row[str, datetime, str, str, str]


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs; None: all. `text` stands in the input, the output or the error."""

    state: JobState | None = None
    pipeline: str | None = None
    model: str | None = None
    tenant: str | None = None
    since: datetime | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the list: right behind this job."""

    created_at: datetime
    job: str


@dataclass(frozen=True, slots=True)
class JobPage:
    """`ids` in order; `after` is where the next look begins (None: there is nothing more), `looked_at` how many jobs.

    `full` is False where the look ended for its time before the page was full.
    """

    ids: tuple[str, ...]
    after: Cursor | None
    looked_at: int
    full: bool


def list_page(
    connection: Connection,
    wanted: JobFilter,
    after: Cursor | None = None,
    *,
    size: int = 50,
    patience: float = PATIENCE,
) -> JobPage:
    """The next `size` jobs that are `wanted`, after `after`."""
    deadline = time.monotonic() + patience
    found: list[_JobRow] = []
    stride, looked_at = STRIDE if _is_selective(wanted) else size + 1, 0
    while True:
        rows = connection.execute(_stride(wanted.since, after, stride)).all()
        hits = _matching(connection, wanted, rows)
        found += hits
        looked_at += len(rows)
        if len(found) > size:
            return _full(found[:size], looked_at)
        if len(rows) < stride:
            return JobPage(tuple(row.id for row in found), None, looked_at, full=True)
        after = Cursor(rows[-1].created_at, rows[-1].id)
        if time.monotonic() > deadline:
            return JobPage(tuple(row.id for row in found), after, looked_at, full=False)
        stride = min(stride * 2, LONGEST_STRIDE)


def _full(found: list[_JobRow], looked_at: int) -> JobPage:
    last = found[-1]
    return JobPage(tuple(row.id for row in found), Cursor(last.created_at, last.id), looked_at, full=True)


def _is_selective(wanted: JobFilter) -> bool:
    return any((wanted.state, wanted.pipeline, wanted.model, wanted.tenant, wanted.text))


def _stride(since: datetime | None, after: Cursor | None, length: int) -> Select[str, datetime, str, str, str]:
    query = select(Job.id, Job.created_at, Job.state, Job.pipeline, Job.tenant)
    if since is not None:
        query = query.where(Job.created_at >= since)
    if after is not None:
        same_moment = and_(Job.created_at == after.created_at, Job.id < after.job)
        # The first condition is implied by the second, but only it lets SQLite enter the index at the right place.
        query = query.where(Job.created_at <= after.created_at, or_(Job.created_at < after.created_at, same_moment))
    return query.order_by(Job.created_at.desc(), Job.id.desc()).limit(length)


def _matching(connection: Connection, wanted: JobFilter, rows: Sequence[_JobRow]) -> list[_JobRow]:
    kept = [
        row
        for row in rows
        if (wanted.state is None or row.state == wanted.state)
        and (wanted.pipeline is None or row.pipeline == wanted.pipeline)
        and (wanted.tenant is None or row.tenant == wanted.tenant)
    ]
    if wanted.model is not None:
        asked = _ids_where(
            connection, kept, select(Attempt.job_id).where(Attempt.model == wanted.model), Attempt.job_id
        )
        kept = [row for row in kept if row.id in asked]
    if wanted.text:
        telling = _ids_where(connection, kept, _with_text(wanted.text), Job.id)
        kept = [row for row in kept if row.id in telling]
    return kept


def _ids_where(connection: Connection, rows: Sequence[_JobRow], query: Select[Any], key: Any) -> set[str]:
    ids = [row.id for row in rows]
    found: set[str] = set()
    for start in range(0, len(ids), 500):
        found.update(connection.scalars(query.where(key.in_(ids[start : start + 500])).distinct()))
    return found


def _with_text(text: str) -> Select[Any]:
    put_in, came_out = aliased(Content), aliased(Content)
    as_json = json.dumps(text, ensure_ascii=False)[1:-1]
    return (
        select(Job.id)
        .join(put_in, put_in.hash == Job.input_hash, isouter=True)
        .join(came_out, came_out.hash == Job.output_hash, isouter=True)
        .where(
            or_(
                put_in.body.icontains(as_json, autoescape=True),
                came_out.body.icontains(as_json, autoescape=True),
                Job.error.icontains(text, autoescape=True),
            )
        )
    )
