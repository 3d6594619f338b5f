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

from sqlalchemy import ColumnElement, Connection, Select, Subquery, and_, exists, func, or_, select

from mirepoix.ledger.tables import Attempt, Content, Job
from mirepoix.states import JobState

STRIDE = 500
PATIENCE = 0.1
"""Seconds that a look may take, about."""

JOB_COLUMNS = (
    Job.id,
    Job.created_at,
    Job.state,
    Job.pipeline,
    Job.tenant,
    Job.input_hash,
    Job.output_hash,
    Job.error,
)


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
    began = time.monotonic()
    found: list[Cursor] = []
    stride, looked_at = STRIDE if _is_selective(wanted) else size + 1, 0
    while True:
        begun = time.monotonic()
        part = _stride(wanted.since, after, stride).subquery()
        found += [Cursor(row.created_at, row.id) for row in connection.execute(_hits(part, wanted, size + 1))]
        if len(found) > size:
            return JobPage(_ids(found[:size]), found[size - 1], looked_at + stride, full=True)
        length, last = _end(connection, part)
        looked_at += length
        if length < stride:
            return JobPage(_ids(found), None, looked_at, full=True)
        after = last
        ended = time.monotonic()
        # The next stride is twice as long, and so will be its time.
        if ended - began + 2 * (ended - begun) > patience:
            return JobPage(_ids(found), after, looked_at, full=False)
        stride *= 2


def _ids(found: Sequence[Cursor]) -> tuple[str, ...]:
    return tuple(cursor.job for cursor in found)


def _is_selective(wanted: JobFilter) -> bool:
    return any((wanted.state, wanted.pipeline, wanted.model, wanted.tenant, wanted.text))


def _stride(since: datetime | None, after: Cursor | None, length: int) -> Select[*tuple[Any, ...]]:
    """The next `length` jobs, whatever they are."""
    query: Select[*tuple[Any, ...]] = select(*JOB_COLUMNS)
    if since is not None:
        query = query.where(Job.created_at >= since)
    if after is not None:
        same_moment = and_(Job.created_at == after.created_at, Job.id < after.job)
        # The first condition is implied by the second, but only it lets SQLite enter the index at the right place.
        query = query.where(Job.created_at <= after.created_at, or_(Job.created_at < after.created_at, same_moment))
    return query.order_by(Job.created_at.desc(), Job.id.desc()).limit(length)


def _end(connection: Connection, part: Subquery) -> tuple[int, Cursor | None]:
    """How many jobs a stride has, and the last of them."""
    length = connection.execute(select(func.count()).select_from(part)).scalar_one()
    row = connection.execute(select(part.c.created_at, part.c.id).order_by(part.c.created_at, part.c.id)).first()
    return length, None if row is None else Cursor(row.created_at, row.id)


def _hits(part: Subquery, wanted: JobFilter, most: int) -> Select[*tuple[Any, ...]]:
    query: Select[*tuple[Any, ...]] = select(part.c.id, part.c.created_at)
    equal = ((part.c.state, wanted.state), (part.c.pipeline, wanted.pipeline), (part.c.tenant, wanted.tenant))
    for column, value in equal:
        if value is not None:
            query = query.where(column == value)
    if wanted.model is not None:
        query = query.where(exists().where(Attempt.job_id == part.c.id, Attempt.model == wanted.model))
    if wanted.text is not None:
        query = query.where(_has_text(part, wanted.text))
    return query.order_by(part.c.created_at.desc(), part.c.id.desc()).limit(most)


def _has_text(part: Subquery, text: str) -> ColumnElement[bool]:
    in_json = json.dumps(text, ensure_ascii=False)[1:-1]
    texts = exists().where(
        Content.hash.in_([part.c.input_hash, part.c.output_hash]), Content.body.icontains(in_json, autoescape=True)
    )
    return or_(texts, part.c.error.icontains(text, autoescape=True))
