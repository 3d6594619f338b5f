"""Jobs page by page, the newest first, and what a door needs to know of one before it shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection, and_, or_, select

from mirepoix.ledger.tables import Attempt, Job, Step
from mirepoix.states import JobState


@dataclass(frozen=True, slots=True)
class Owned:
    """Whose a job is, and what was asked of it; `deadline` in seconds from its submission.

    `batch` says that its calls may wait for one.
    """

    tenant: str
    state: JobState
    pipeline: str
    version: str
    input_hash: str
    task: str | None
    max_cost: Decimal | None
    deadline: float | None
    batch: bool
    priority: int
    tags: dict[str, str]
    callback: str | None


@dataclass(frozen=True, slots=True)
class StepProgress:
    """Where a step stands."""

    path: str
    kind: str
    state: str
    model: str | None


@dataclass(frozen=True, slots=True)
class Tokens:
    """What all attempts of a job used, and how its answer ended, in its provider's word."""

    input: int
    output: int
    cached: int
    finish_reason: str | None


def page_of_jobs(
    connection: Connection,
    *,
    tenant: str | None,
    state: JobState | None = None,
    pipeline: str | None = None,
    after: str | None = None,
    limit: int = 50,
) -> list[str]:
    """The ids of up to `limit` jobs that come after the job `after` in this order; an unknown one has none after it."""
    query = select(Job.id).order_by(Job.created_at.desc(), Job.id.desc()).limit(limit)
    if tenant is not None:
        query = query.where(Job.tenant == tenant)
    if state is not None:
        query = query.where(Job.state == state)
    if pipeline is not None:
        query = query.where(Job.pipeline == pipeline)
    if after is not None:
        last = connection.execute(select(Job.created_at).where(Job.id == after)).scalar_one_or_none()
        if last is None:
            return []
        query = query.where(or_(Job.created_at < last, and_(Job.created_at == last, Job.id < after)))
    return list(connection.scalars(query))


def read_owner(connection: Connection, job_id: str) -> Owned | None:
    """Whose the job is; None when there is no such job."""
    return read_owners(connection, [job_id]).get(job_id)


def read_owners(connection: Connection, job_ids: Sequence[str]) -> dict[str, Owned]:
    """Whose each of these jobs is, of those that there are."""
    query = select(*Job.__table__.c, Job.max_cost.label("max_cost")).where(Job.id.in_(job_ids))
    return {
        row.id: Owned(
            tenant=row.tenant,
            state=JobState(row.state),
            pipeline=row.pipeline,
            version=row.version,
            input_hash=row.input_hash,
            task=row.task,
            max_cost=row.max_cost,
            deadline=None if row.deadline_at is None else (row.deadline_at - row.created_at).total_seconds(),
            batch=row.batch,
            priority=row.priority,
            tags=row.tags,
            callback=row.callback,
        )
        for row in connection.execute(query)
    }


def read_progress(connection: Connection, job_id: str) -> list[StepProgress]:
    """Every step of a job, in the order of the pipeline as far as it is known."""
    query = select(Step.path, Step.kind, Step.state, Step.model).where(Step.job_id == job_id)
    rows = connection.execute(query.order_by(Step.position, Step.path))
    return [StepProgress(row.path, row.kind, row.state, row.model) for row in rows]


def read_tokens(connection: Connection, job_id: str) -> Tokens:
    """The tokens of a job; those of attempts that failed count where they were billed."""
    made = select(Attempt.input_tokens, Attempt.output_tokens, Attempt.cached_tokens).where(Attempt.job_id == job_id)
    rows = connection.execute(made).all()
    answered = (
        select(Attempt.finish_reason)
        .join(Job, Job.id == Attempt.job_id)
        .where(Attempt.job_id == job_id, Attempt.answer_hash == Job.output_hash)
        .order_by(Attempt.id.desc())
        .limit(1)
    )
    return Tokens(
        input=sum(row.input_tokens or 0 for row in rows),
        output=sum(row.output_tokens or 0 for row in rows),
        cached=sum(row.cached_tokens or 0 for row in rows),
        finish_reason=connection.execute(answered).scalar_one_or_none(),
    )
