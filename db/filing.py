"""What becomes of a job's texts when it has ended: they are made searchable, redacted, or forgotten. Once for each job.

None of this is the business of who ends the job, so that its answer is not held up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Connection, Integer, Select, bindparam, func, insert, select, update

from mirepoix.ledger.contents import load, store
from mirepoix.ledger.tables import Attempt, Decision, Job, JobText, Step, now
from mirepoix.ledger.words import words_of
from mirepoix.paths import ACCEPTANCE
from mirepoix.printable import printable
from mirepoix.states import Store

LONGEST_CALL = timedelta(days=2)
"""A request that is not completed by then never will be; one of a batch takes a day, and what it is gathered for."""


def _unfiled(kept: Store) -> Select[str]:
    query = (
        select(Job.id)
        .where(Job.store == bindparam(None, kept.value, literal_execute=True))
        .where(Job.filed_at.is_(None), Job.finished_at.is_not(None), Job.finished_at <= bindparam("before"))
        .order_by(Job.finished_at)
        .limit(bindparam("most", type_=Integer))
        .with_for_update(skip_locked=True)
    )
    if kept is Store.FULL:
        return query
    in_flight = select(Attempt.id).where(Attempt.job_id == Job.id, Attempt.finished_at.is_(None))
    return query.where(~in_flight.exists() | (Job.finished_at < bindparam("given_up")))


_UNFILED = {kept: _unfiled(kept) for kept in Store}


@dataclass(frozen=True, slots=True)
class Rewriting:
    """How texts are changed: values, lines (errors, reasons) and the features of decisions.

    Features come with the job's own names: paths, models, providers. `values` are those that change, by the hash under
    which they stood; with None no value is kept.
    """

    values: Mapping[str, JsonValue] | None
    line: Callable[[str], str]
    features: Callable[[dict[str, Any], frozenset[str]], dict[str, Any]]


def take_unfiled(connection: Connection, kept: Store, before: datetime, limit: int) -> list[str]:
    """Jobs that ended before that moment and are not filed, the longest ago first; who asks meanwhile gets others.

    Where texts are to go, those that a request in flight may still add to are left for later.
    """
    query = _UNFILED[kept]
    return list(connection.scalars(query, {"before": before, "given_up": now() - LONGEST_CALL, "most": limit}))


def file_words(connection: Connection, job_ids: Sequence[str]) -> None:
    """Let the words of these jobs' inputs and outputs, as they now stand, be found."""
    jobs = connection.execute(select(Job.id, Job.input_hash, Job.output_hash).where(Job.id.in_(job_ids))).all()
    values = load(connection, [hash_ for job in jobs for hash_ in (job.input_hash, job.output_hash)])
    words: Any = bindparam("text")
    if connection.dialect.name == "postgresql":
        words = func.to_tsvector("simple", words)
    texts = (" ".join(words_of(values.get(hash_ or "")) for hash_ in (job.input_hash, job.output_hash)) for job in jobs)
    rows = [{"job": job.id, "text": text} for job, text in zip(jobs, texts, strict=True)]
    connection.execute(insert(JobText).values(job_id=bindparam("job"), words=words), rows)


def mark_filed(connection: Connection, job_ids: Sequence[str]) -> None:
    """Write down that nothing more is to be done with their texts."""
    connection.execute(update(Job).where(Job.id.in_(job_ids)).values(filed_at=now()))


def rewrite_job(connection: Connection, job_id: str, rewriting: Rewriting) -> set[str]:
    """Change the texts of an ended job; returns the hashes under which texts of it stood that it may need no more.

    Whoever calls gives these to `db.disuse.drop_unused` at the end of the transaction.
    """
    before = job_hashes(connection, [job_id])
    replaced: set[str] = before
    if rewriting.values is not None:
        hashes = [hash_ for hash_ in sorted(before) if hash_ in rewriting.values]
        fresh = store(connection, [rewriting.values[hash_] for hash_ in hashes])
        changed = dict(zip(hashes, fresh, strict=True))
        _refer_to(connection, job_id, changed)
        replaced = set(changed)
    _rewrite_lines(connection, job_id, rewriting.line)
    _rewrite_decisions(connection, job_id, rewriting)
    return replaced


def job_hashes(connection: Connection, job_ids: Sequence[str]) -> set[str]:
    """Under which hashes the texts of these jobs stand."""
    found: set[str | None] = set()
    for query in (
        select(Job.input_hash).where(Job.id.in_(job_ids)),
        select(Job.output_hash).where(Job.id.in_(job_ids)),
        select(Step.output_hash).where(Step.job_id.in_(job_ids)),
        select(Attempt.prompt_hash).where(Attempt.job_id.in_(job_ids)),
        select(Attempt.answer_hash).where(Attempt.job_id.in_(job_ids)),
    ):
        found.update(connection.scalars(query))
    return {hash_ for hash_ in found if hash_ is not None}


def _refer_to(connection: Connection, job_id: str, changed: Mapping[str, str]) -> None:
    """Let the job refer to the new hashes in place of the old ones."""
    for old, new in changed.items():
        for table, mine, name in (
            (Job, Job.id, "input_hash"),
            (Job, Job.id, "output_hash"),
            (Step, Step.job_id, "output_hash"),
            (Attempt, Attempt.job_id, "prompt_hash"),
            (Attempt, Attempt.job_id, "answer_hash"),
        ):
            column = table.__table__.c[name]
            connection.execute(update(table).where(mine == job_id, column == old).values({name: new}))


def _rewrite_lines(connection: Connection, job_id: str, line: Callable[[str], str]) -> None:
    """The reasons of failures: they may quote an answer."""
    for table, mine in ((Job, Job.id), (Step, Step.job_id), (Attempt, Attempt.job_id)):
        errors = select(table.error).where(mine == job_id, table.error.is_not(None)).distinct()
        for error in connection.scalars(errors).all():
            changed = printable(line(error or ""))
            if changed != error:
                connection.execute(update(table).where(mine == job_id, table.error == error).values(error=changed))


def _rewrite_decisions(connection: Connection, job_id: str, rewriting: Rewriting) -> None:
    names = _names(connection, job_id)
    of_steps = (Decision.job_id == job_id, Decision.path != ACCEPTANCE)  # what was decided before holds no text
    rows = connection.execute(select(Decision.id, Decision.reason, Decision.features).where(*of_steps)).all()
    for row in rows:
        values = {
            "reason": printable(rewriting.line(row.reason)),
            "features": rewriting.features(row.features, names),
        }
        connection.execute(update(Decision).where(Decision.id == row.id).values(values))


def _names(connection: Connection, job_id: str) -> frozenset[str]:
    paths = connection.scalars(select(Step.path).where(Step.job_id == job_id))
    asked = connection.execute(select(Attempt.model, Attempt.provider).where(Attempt.job_id == job_id).distinct())
    return frozenset(paths) | {name for row in asked for name in row}
