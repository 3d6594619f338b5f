"""Find jobs by what they were, whom they asked, and the words in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from sqlalchemy import ColumnElement, Connection, Select, bindparam, cast, column, false, func, literal, select, table
from sqlalchemy.dialects.postgresql import TSQUERY

from mirepoix.ledger.tables import Attempt, Job, JobText
from mirepoix.ledger.words import terms_of
from mirepoix.states import JobState

JOB_WORDS = table("job_words", column("rowid"), column("words"))
"""SQLite's full-text index of `job_texts`."""
DEFAULT_LIMIT = 50
SELDOM = 1000
"""So few attempts of a model or a provider, and its jobs are found by them rather than among all."""


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
    """The ids of those that fit, the newest first; with `text` those that ended last first, as the index has them."""
    query = matching(connection, search).limit(search.limit)
    if search.text is None:
        query = query.order_by(Job.created_at.desc(), Job.id.desc())
    elif terms_of(search.text):
        query = query.order_by(place_in_words(connection).desc())
    return list(connection.scalars(query))


def matching(connection: Connection, search: Search) -> Select[str]:
    """The ids of jobs that fit, in no order, however many; a `text` without a word in it fits none."""
    query = _asking(connection, _with_fields(search), search)
    if search.text is None:
        return query
    query, terms = query.join(JobText, JobText.job_id == Job.id), terms_of(search.text)
    return query.where(*words_stand(connection, terms)) if terms else query.where(false())


def words_stand(connection: Connection, terms: Iterable[str]) -> list[ColumnElement[bool]]:
    """That a row of `job_texts` has all these words or rows of words: terms of letters, digits and spaces only."""
    if connection.dialect.name == "sqlite":
        match = " AND ".join(f'"{term}"' for term in terms)
        return [JobText.id == JOB_WORDS.c.rowid, JOB_WORDS.c.words.op("MATCH")(literal(match))]
    return [JobText.words.op("@@")(cast(func.phraseto_tsquery("simple", term), TSQUERY)) for term in terms]


def place_in_words(connection: Connection) -> ColumnElement[int]:
    """The order in which the index of words is read, backwards, so that a look stops early: what ended last first."""
    return JOB_WORDS.c.rowid if connection.dialect.name == "sqlite" else JobText.id.expression


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
    return query


def _asking(connection: Connection, query: Select[str], search: Search) -> Select[str]:
    """Those that asked the model and the provider. The jobs of one that was seldom asked are looked up by it."""
    for field, value in ((Attempt.model, search.model), (Attempt.provider, search.provider)):
        if value is None:
            continue
        asked = select(Attempt.job_id).where(field == value)
        some = asked.limit(SELDOM).subquery()
        seldom = connection.execute(select(func.count()).select_from(some)).scalar_one() < SELDOM
        query = query.where(Job.id.in_(asked) if seldom else asked.where(Attempt.job_id == Job.id).exists())
    return query
