"""What finished jobs cost, and the answers of theirs that another model would have had to give too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, func, not_, select

from db.costs import EVERYTHING, Scope
from mirepoix.answered import AnsweredCall, AnsweredStep, FinishedJob
from mirepoix.ledger.tables import Attempt, Job, Step
from mirepoix.prices import Usage
from mirepoix.states import JobState, StepState

BATCH = 500
NEWEST_JOBS = 500
ANSWERED = (Job.state == JobState.SUCCEEDED, Job.shadow_of.is_(None))
"""Jobs whose answer somebody wanted, and got: no shadows."""


def finished_jobs(connection: Connection, scope: Scope = EVERYTHING) -> Iterator[FinishedJob]:
    """The jobs that were submitted in `scope` and succeeded, without shadows, in the order of their ids.

    Read a batch at a time.
    """
    last = ""
    while ids := _next_ids(connection, scope, last):
        last = ids[-1]
        yield from _read(connection, ids)


def newest_succeeded(connection: Connection, since: datetime) -> list[str]:
    """The ids of the newest 500 jobs, no shadows, that were submitted since and succeeded: a look along their index."""
    # As a literal, since that index is partial.
    succeeded = Job.state == bindparam(None, JobState.SUCCEEDED.value, literal_execute=True)
    query = select(Job.id).where(succeeded, Job.shadow_of.is_(None), Job.created_at >= since)
    return list(connection.scalars(query.order_by(Job.created_at.desc()).limit(NEWEST_JOBS)))


def read_finished(connection: Connection, ids: Sequence[str]) -> Iterator[FinishedJob]:
    """The jobs called `ids`, which succeeded."""
    for start in range(0, len(ids), BATCH):
        yield from _read(connection, ids[start : start + BATCH])


def cost_of_others(connection: Connection, scope: Scope = EVERYTHING) -> Decimal:
    """What the attempts of the other jobs that were submitted in `scope` cost."""
    query = select(func.sum(Attempt.cost).label("cost")).join(Job, Job.id == Attempt.job_id)
    return connection.execute(_submitted(query, scope).where(not_(and_(*ANSWERED)))).scalar_one() or Decimal(0)


def _next_ids(connection: Connection, scope: Scope, after: str) -> Sequence[str]:
    query = select(Job.id).where(Job.id > after, *ANSWERED).order_by(Job.id).limit(BATCH)
    return connection.scalars(_submitted(query, scope)).all()


def _submitted(query: Select[Any], scope: Scope) -> Select[Any]:
    query = query.where(*scope.of_jobs)
    if scope.since is not None:
        query = query.where(Job.created_at >= scope.since)
    return query if scope.until is None else query.where(Job.created_at < scope.until)


def _read(connection: Connection, ids: Sequence[str]) -> Iterator[FinishedJob]:
    jobs = {id_: FinishedJob(id_) for id_ in ids}
    total, ended = func.sum(Attempt.cost).label("cost"), func.count(Attempt.finished_at).label("ended")
    sums = select(Attempt.job_id, total, ended, func.count().label("made")).where(Attempt.job_id.in_(ids))
    for row in connection.execute(sums.group_by(Attempt.job_id)):
        jobs[row.job_id].cost = row.cost or Decimal(0)
        jobs[row.job_id].settled = row.ended == row.made
    steps = select(Step.job_id, Step.path, Step.parent, Step.kind, Step.position, Step.output_hash)
    for step in connection.execute(steps.where(Step.job_id.in_(ids), Step.state == StepState.SUCCEEDED)):
        jobs[step.job_id].steps.append(AnsweredStep(step.path, step.parent, step.kind, step.position, step.output_hash))
    for (job_id, path), call in _answered(connection, ids).items():
        jobs[job_id].calls[path] = call
    yield from jobs.values()


def _answered(connection: Connection, ids: Sequence[str]) -> dict[tuple[str, str], AnsweredCall]:
    """The last answered attempt of each step."""
    columns = (
        Attempt.job_id,
        Attempt.path,
        Attempt.provider,
        Attempt.input_tokens,
        Attempt.output_tokens,
        Attempt.cached_tokens,
        Attempt.cache_write_tokens,
        Attempt.cached_from,
        Attempt.cost.label("cost"),
    )
    query = select(*columns).where(Attempt.job_id.in_(ids), Attempt.error_kind.is_(None))
    found: dict[tuple[str, str], AnsweredCall] = {}
    for row in connection.execute(query.where(Attempt.finished_at.is_not(None)).order_by(Attempt.id)):
        found[row.job_id, row.path] = _call(row)
    return found


def _call(row: Any) -> AnsweredCall:
    usage = Usage(
        input=row.input_tokens or 0,
        output=row.output_tokens or 0,
        cached=row.cached_tokens or 0,
        cache_write=row.cache_write_tokens or 0,
    )
    return AnsweredCall(row.provider, usage, row.cost or Decimal(0), row.cached_from is not None)
