"""Find jobs by what they were, whom they asked, and the words in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

from sqlalchemy import Connection, Select, bindparam, cast, column, false, func, literal, select, table
from sqlalchemy.dialects.postgresql import TSQUERY

from mirepoix.ledger.tables import Attempt, Job, JobText
from mirepoix.ledger.words import terms_of
from mirepoix.states import JobState

JOB_WORDS = table("job_words", column("rowid"), column("words"))
"""SQLite's full-text index of `job_texts`."""
DEFAULT_LIMIT = 50


class SearchFields(TypedDict, total=False):
    """The fields of `Search`, as keywords."""

    state: JobState | None
    pipeline: str | None
    tenant: str | None
    model: str | None
    provider: str | None
    since: datetime | None
    until: datetime | None
    text: str | None
    limit: int


@dataclass(frozen=True, slots=True)
class Search:
    """What jobs must have in common; None: anything.

    `model` and `provider` are among those that it asked. `since` and `until` bound when it was submitted. `text` are
    words that all stand in its input or output; in double quotes such that stand side by side.
    """

    state: JobState | None = None
    pipeline: str | None = None
    tenant: str | None = None
    model: str | None = None
    provider: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None
    limit: int = DEFAULT_LIMIT


def find_jobs(connection: Connection, search: Search) -> list[str]:
    """The ids of those that fit, the newest first."""
    query = matching(connection, search).order_by(Job.created_at.desc(), Job.id.desc())
    return list(connection.scalars(query.limit(search.limit)))


def matching(connection: Connection, search: Search) -> Select[str]:
    """The ids of jobs that fit, in no order, however many; a `text` without a word in it fits none."""
    query = _with_fields(search)
    if search.text is None:
        return query
    terms = terms_of(search.text)
    return query.where(Job.id.in_(_with_words(connection, terms)) if terms else false())


def _with_fields(search: Search) -> Select[str]:
    query = select(Job.id)
    if search.state is not None:  # as a literal, since the indexes of some states are partial
        query = query.where(Job.state == bindparam(None, search.state.value, literal_execute=True))
    for field, value in ((Job.pipeline, search.pipeline), (Job.tenant, search.tenant)):
        if value is not None:
            query = query.where(field == value)
    if search.since is not None:
        query = query.where(Job.created_at >= search.since)
    if search.until is not None:
        query = query.where(Job.created_at < search.until)
    for asked, name in ((Attempt.model, search.model), (Attempt.provider, search.provider)):
        if name is not None:
            query = query.where(select(Attempt.id).where(Attempt.job_id == Job.id, asked == name).exists())
    return query


def _with_words(connection: Connection, terms: Iterable[str]) -> Select[Any]:
    """The ids of jobs with all these words or rows of words: terms of letters, digits and spaces only."""
    if connection.dialect.name == "sqlite":
        match = " AND ".join(f'"{term}"' for term in terms)
        found = select(JOB_WORDS.c.rowid).where(JOB_WORDS.c.words.op("MATCH")(literal(match)))
        return select(JobText.job_id).where(JobText.id.in_(found))
    wanted = select(JobText.job_id)
    for term in terms:
        wanted = wanted.where(JobText.words.op("@@")(cast(func.phraseto_tsquery("simple", term), TSQUERY)))
    return wanted
