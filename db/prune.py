"""Delete old jobs with all that belongs to them, a bounded number in a transaction, so that nobody is locked out."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, func, or_, select

from db.batches import forget_batches
from db.disuse import drop_unused, find_unused, old_contents
from db.filing import job_hashes
from db.routers import prune_versions
from db.words import merge_words
from mirepoix.ledger.engine import Database
from mirepoix.ledger.tables import Job
from mirepoix.states import JobState

JOBS_AT_A_TIME = 100
CONTENTS_AT_A_TIME = 500
ENDED = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What one transaction deleted."""

    jobs: int
    contents: int
    versions: int = 0


def count_old(database: Database, before: datetime, states: Collection[JobState] = ENDED) -> int:
    """How many jobs in one of `states` ended before that moment."""
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(Job).where(*_old(before, states))).scalar_one()


def prune(database: Database, before: datetime, states: Collection[JobState] = ENDED) -> Iterator[Pruned]:
    """Delete the jobs in one of `states` that ended before that moment, and what of before nothing refers to.

    That is texts, and trained versions that no longer decide.

    Lazy: each item is a transaction that has been committed. Who stops in the middle begins again with what is left.
    """
    yield from _prune_jobs(database, before, states)
    yield from _prune_contents(database, before)
    with database.write() as connection:
        forget_batches(connection, before)
        versions = prune_versions(connection, before)
    if versions:
        yield Pruned(0, 0, versions)
    merge_words(database)


def _prune_jobs(database: Database, before: datetime, states: Collection[JobState]) -> Iterator[Pruned]:
    passed: ColumnElement[bool] | None = None
    while True:
        with database.write() as connection:
            query = select(Job.id, Job.created_at).where(*_old(before, states)).order_by(Job.created_at, Job.id)
            if passed is not None:
                query = query.where(passed)
            rows = connection.execute(query.limit(JOBS_AT_A_TIME).with_for_update(skip_locked=True)).all()
            ids = [row.id for row in rows]
            hashes = job_hashes(connection, ids)
            connection.execute(delete(Job).where(Job.id.in_(ids)))
            dropped = drop_unused(connection, hashes)
        if not rows:
            return
        last = rows[-1]
        later = and_(Job.created_at == last.created_at, Job.id > last.id)
        passed = and_(Job.created_at >= last.created_at, or_(Job.created_at > last.created_at, later))
        yield Pruned(len(ids), dropped)


def _prune_contents(database: Database, before: datetime) -> Iterator[Pruned]:
    """What a producer stored that died before its job was written, and the like."""
    last = ""
    while True:
        with database.read() as connection:
            hashes = old_contents(connection, before, last, CONTENTS_AT_A_TIME)
            unused = find_unused(connection, hashes)
        if not hashes:
            return
        last = hashes[-1]
        if unused:
            with database.write() as connection:
                dropped = drop_unused(connection, unused)
            yield Pruned(0, dropped)


def _old(before: datetime, states: Collection[JobState]) -> tuple[ColumnElement[bool], ...]:
    """What has ended by then was submitted before, which an index knows."""
    return Job.created_at < before, Job.finished_at < before, Job.state.in_(states)
