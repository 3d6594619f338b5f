"""Pages of jobs, filtered: each look is bounded, however rare what is looked for.

A page is read in strides: along the index on `created_at`, the newest first, or, where words are looked for, along the
index of words, what ended last first. Where a filter lets hardly anything through, the look ends after its time, says
how far back it came, and can be taken up from there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, Subquery, and_, exists, func, or_, select

from mirepoix.errors import NotFound
from mirepoix.ledger.search import place_in_words, words_stand
from mirepoix.ledger.tables import Attempt, Job, JobText
from mirepoix.ledger.words import terms_of
from mirepoix.states import JobState

STRIDE = 500
PATIENCE = 0.1
"""Seconds that a look may take, about."""

JOB_COLUMNS = (Job.id, Job.created_at, Job.state, Job.pipeline, Job.tenant)


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs; None: all. `text` are words that all stand in the input or output of a job that has ended."""

    state: JobState | None = None
    pipeline: str | None = None
    model: str | None = None
    tenant: str | None = None
    since: datetime | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class JobPage:
    """`ids` in order; `after` is the job behind which the next look begins (None: there is nothing more).

    `looked_at` is how many jobs. `full` is False where the look ended for its time before the page was full; `back_to`
    is then when the last job that it looked at was submitted.
    """

    ids: tuple[str, ...]
    after: str | None
    looked_at: int
    full: bool
    back_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Last:
    """The job with which a stride ends."""

    id: str
    created_at: datetime


def list_page(
    connection: Connection,
    wanted: JobFilter,
    after: str | None = None,
    *,
    size: int = 50,
    patience: float = PATIENCE,
) -> JobPage:
    """The next `size` jobs that are `wanted`, behind the job `after`; raises NotFound where that one is gone."""
    if wanted.text is not None and not terms_of(wanted.text):
        return JobPage((), None, 0, full=True)
    began = time.monotonic()
    found: list[str] = []
    stride, looked_at = STRIDE if _is_selective(wanted) else size + 1, 0
    while True:
        begun = time.monotonic()
        part = _stride(connection, wanted, after, stride).subquery()
        found += connection.scalars(_hits(part, wanted, size + 1)).all()
        if len(found) > size:
            return JobPage(tuple(found[:size]), found[size - 1], looked_at + stride, full=True)
        length, last = _end(connection, part)
        looked_at += length
        if length < stride or last is None:
            return JobPage(tuple(found), None, looked_at, full=True)
        after = last.id
        ended = time.monotonic()
        # The next stride is twice as long, and so will be its time.
        if ended - began + 2 * (ended - begun) > patience:
            return JobPage(tuple(found), after, looked_at, full=False, back_to=last.created_at)
        stride *= 2


def _is_selective(wanted: JobFilter) -> bool:
    within_words = wanted.text is not None and wanted.since is not None
    return within_words or any((wanted.state, wanted.pipeline, wanted.model, wanted.tenant))


def _stride(connection: Connection, wanted: JobFilter, after: str | None, length: int) -> Select[*tuple[Any, ...]]:
    """The next `length` jobs, whatever they are, each with its `place`: the greater it is, the earlier it comes."""
    if wanted.text is not None:
        return _with_words(connection, wanted.text, after).limit(length)
    return _by_time(connection, wanted.since, after).limit(length)


def _by_time(connection: Connection, since: datetime | None, after: str | None) -> Select[*tuple[Any, ...]]:
    query: Select[*tuple[Any, ...]] = select(*JOB_COLUMNS, Job.created_at.label("place"))
    if since is not None:
        query = query.where(Job.created_at >= since)
    if after is not None:
        moment = _place(connection, select(Job.created_at).where(Job.id == after), after)
        same_moment = and_(Job.created_at == moment, Job.id < after)
        # The first condition is implied by the second, but only it lets SQLite enter the index at the right place.
        query = query.where(Job.created_at <= moment, or_(Job.created_at < moment, same_moment))
    return query.order_by(Job.created_at.desc(), Job.id.desc())


def _with_words(connection: Connection, text: str, after: str | None) -> Select[*tuple[Any, ...]]:
    place = place_in_words(connection)
    query: Select[*tuple[Any, ...]] = select(*JOB_COLUMNS, place.label("place")).join(JobText, JobText.job_id == Job.id)
    query = query.where(*words_stand(connection, terms_of(text)))
    if after is not None:
        query = query.where(place < _place(connection, select(JobText.id).where(JobText.job_id == after), after))
    return query.order_by(place.desc())


def _place(connection: Connection, query: Select[Any], job_id: str) -> Any:
    place = connection.execute(query).scalar_one_or_none()
    if place is None:
        raise NotFound(f"the job {job_id!r}, behind which the list goes on, is gone; begin at its top.")
    return place


def _end(connection: Connection, part: Subquery) -> tuple[int, _Last | None]:
    """How many jobs a stride has, and the last of them."""
    length = connection.execute(select(func.count()).select_from(part)).scalar_one()
    last = select(part.c.id, part.c.created_at).order_by(part.c.place, part.c.id).limit(1)
    row = connection.execute(last).one_or_none()
    return length, None if row is None else _Last(row.id, row.created_at)


def _hits(part: Subquery, wanted: JobFilter, most: int) -> Select[str]:
    query = select(part.c.id)
    equal = ((part.c.state, wanted.state), (part.c.pipeline, wanted.pipeline), (part.c.tenant, wanted.tenant))
    for column, value in equal:
        if value is not None:
            query = query.where(column == value)
    if wanted.since is not None:
        query = query.where(part.c.created_at >= wanted.since)
    if wanted.model is not None:
        query = query.where(exists().where(Attempt.job_id == part.c.id, Attempt.model == wanted.model))
    return query.order_by(part.c.place.desc(), part.c.id.desc()).limit(most)
