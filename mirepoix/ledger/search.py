"""Find jobs by what they were, whom they asked, and the words in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

from sqlalchemy import Connection, Select, cast, column, func, literal, select, table
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
    terms = None if search.text is None else terms_of(search.text)
    if terms == []:
        return []
    query = select_jobs(search).order_by(Job.created_at.desc(), Job.id.desc()).limit(search.limit)
    if terms is not None:
        query = query.where(Job.id.in_(_with_words(connection, terms)))
    return list(connection.scalars(query))


def select_jobs(search: Search) -> Select[str]:
    """The ids of jobs that fit, but for their words, in no order."""
    query = select(Job.id)
    wanted = ((Job.state, search.state), (Job.pipeline, search.pipeline), (Job.tenant, search.tenant))
    for field, value in wanted:
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
