"""Read jobs and their traces back from the ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select

from mirepoix.again import Again
from mirepoix.errors import NotFound
from mirepoix.ledger import tables
from mirepoix.ledger.contents import load
from mirepoix.ledger.feedback import read_feedback
from mirepoix.ledger.tables import Attempt, Job, PipelineVersion, Step, StepEvent, now
from mirepoix.paths import ACCEPTANCE
from mirepoix.states import ErrorKind, EventKind, JobState, StepState, Store
from mirepoix.views import AttemptView, CallView, Decision, Event, FeedbackView, JobView, StepView, TraceView

_STATES = select(Job.id, Job.state).where(Job.id.in_(bindparam("jobs", expanding=True)))
_JOBS = select(*Job.__table__.c).where(Job.id.in_(bindparam("jobs", expanding=True)))
_ENDED = _JOBS.where(Job.finished_at.is_not(None))
_SPENT = (
    select(
        Attempt.job_id,
        Attempt.model,
        func.sum(Attempt.cost).label("cost"),
        func.count(Attempt.path.distinct()).label("calls"),
    )
    .where(Attempt.job_id.in_(bindparam("jobs", expanding=True)))
    .group_by(Attempt.job_id, Attempt.model)
    .order_by(func.min(Attempt.id))
)
NEVER = datetime.max.replace(tzinfo=UTC)


def read_states(connection: Connection, ids: Sequence[str]) -> dict[str, JobState]:
    """The state of each job that exists."""
    states: dict[str, JobState] = {}
    for start in range(0, len(ids), 500):
        rows = connection.execute(_STATES, {"jobs": list(ids[start : start + 500])})
        states.update({id_: JobState(state) for id_, state in rows})
    return states


def job_of_key(connection: Connection, tenant: str, key: str) -> str:
    """The id of the job that `tenant` submitted under that idempotency key; raises NotFound."""
    found = connection.execute(select(Job.id).where(Job.tenant == tenant, Job.key == key)).scalar_one_or_none()
    if found is None:
        raise NotFound(f"tenant {tenant!r} has no job with the key {key!r}.")
    return str(found)


def read_jobs(connection: Connection, ids: Sequence[str]) -> list[JobView]:
    """The jobs called `ids`, in that order; raises NotFound for the first that does not exist."""
    views: list[JobView] = []
    for start in range(0, len(ids), 500):
        views += _read_some(connection, ids[start : start + 500])
    return views


def read_ended(connection: Connection, ids: Sequence[str]) -> list[JobView]:
    """Those of the jobs called `ids` that have ended, in that order."""
    views: list[JobView] = []
    for start in range(0, len(ids), 500):
        some = ids[start : start + 500]
        views += _views(connection, some, connection.execute(_ENDED, {"jobs": list(some)}))
    return views


def read_trace(connection: Connection, job_id: str) -> TraceView:
    """All that is recorded of one job; raises NotFound."""
    return read_traces(connection, [job_id])[0]


def read_traces(connection: Connection, ids: Sequence[str]) -> list[TraceView]:
    """All that is recorded of some jobs, in that order; raises NotFound."""
    views = read_jobs(connection, ids)
    jobs = {job.id: job for job in connection.execute(select(*Job.__table__.c).where(Job.id.in_(ids)))}
    steps = connection.execute(select(*Step.__table__.c).where(Step.job_id.in_(ids))).all()
    found = _Found(
        steps=_by_job(steps),
        texts=load(connection, [*(job.input_hash for job in jobs.values()), *(step.output_hash for step in steps)]),
        decisions=_decisions(connection, ids),
        calls=_calls(connection, ids, {(step.job_id, step.path): step for step in steps}),
        events=_events(connection, ids),
        specs=_specs(connection, {view.version for view in views}),
        shadows=_shadows(connection, ids),
    )
    return [_trace(view, jobs[view.job], found) for view in views]


@dataclass(frozen=True, slots=True)
class _Found:
    """What belongs to some jobs: by job, by job and path, by hash, by version."""

    steps: dict[str, list[Row[Any]]]
    texts: dict[str, Any]
    decisions: dict[tuple[str, str], list[Decision]]
    calls: dict[tuple[str, str], list[CallView]]
    events: dict[tuple[str, str], list[Event]]
    specs: dict[str, dict[str, Any]]
    shadows: dict[str, list[str]]


def _trace(view: JobView, job: Row[Any], found: _Found) -> TraceView:
    return TraceView(
        job=view.job,
        pipeline=view.pipeline,
        version=view.version,
        state=view.state,
        tenant=view.tenant,
        task=job.task,
        again=None if job.again is None else Again.model_validate(job.again),
        shadow_of=view.shadow_of,
        shadows=tuple(found.shadows[view.job]),
        decisions=tuple(found.decisions[view.job, ACCEPTANCE]),
        input=found.texts.get(job.input_hash),
        output=view.output,
        error=view.error,
        tags=view.tags,
        cost_usd=view.cost_usd,
        latency_s=view.latency_s,
        spec=found.specs[view.version],
        steps=tuple(_step_view(step, found) for step in _reading_order(found.steps[view.job])),
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        queued_s=_seconds(job.created_at, job.started_at or job.finished_at),
        store=view.store,
        filed=view.filed,
        forgotten=view.forgotten,
        feedback=view.feedback,
        events=tuple(found.events[view.job, "start"]),
    )


def _step_view(step: Row[Any], found: _Found) -> StepView:
    place = (step.job_id, step.path)
    decisions = found.decisions[place]
    return StepView(
        path=step.path,
        parent=step.parent,
        kind=step.kind,
        state=StepState(step.state),
        decision=decisions[-1] if decisions else None,
        decisions=tuple(decisions),
        calls=tuple(found.calls[place]),
        output=found.texts.get(step.output_hash),
        error_kind=step.error_kind,
        error=step.error,
        started_at=step.started_at,
        finished_at=step.finished_at,
        queued_s=round(step.queued, 6),
        crashes=step.crashes,
        task_id=step.task_id,
        events=tuple(found.events[place]),
    )


def _read_some(connection: Connection, ids: Sequence[str]) -> list[JobView]:
    views = _views(connection, ids, connection.execute(_JOBS, {"jobs": list(ids)}))
    missing = set(ids) - {view.job for view in views}
    if missing:
        first = next(id_ for id_ in ids if id_ in missing)
        raise NotFound(f"no job {first!r} in this ledger. `mirepoix jobs` lists them.")
    return views


def _views(connection: Connection, ids: Sequence[str], rows: Iterable[Row[Any]]) -> list[JobView]:
    """The jobs of `rows`, in the order of `ids`."""
    jobs = {job.id: job for job in rows}
    if not jobs:
        return []
    spent = _spending(connection, list(jobs))
    outputs = load(connection, [job.output_hash for job in jobs.values()])
    feedback = read_feedback(connection, list(jobs))
    return [_job_view(jobs[id_], spent[id_], outputs, feedback[id_]) for id_ in ids if id_ in jobs]


class _Spending:
    def __init__(self) -> None:
        self.cost = Decimal(0)
        self.models: dict[str, None] = {}
        self.calls = 0


def _spending(connection: Connection, ids: Sequence[str]) -> dict[str, _Spending]:
    """Cost, models and calls of each job; a call is a step at a model, however many attempts it took."""
    spent: dict[str, _Spending] = defaultdict(_Spending)
    for row in connection.execute(_SPENT, {"jobs": list(ids)}):
        job = spent[row.job_id]
        job.cost += row.cost or Decimal(0)
        job.models[row.model] = None
        job.calls += row.calls
    return spent


def _job_view(job: Row[Any], spent: _Spending, outputs: dict[str, Any], feedback: tuple[FeedbackView, ...]) -> JobView:
    return JobView(
        job=job.id,
        state=JobState(job.state),
        pipeline=job.pipeline,
        version=job.version,
        tenant=job.tenant,
        output=outputs.get(job.output_hash),
        error_kind=job.error_kind,
        error=job.error,
        tags=job.tags,
        cost_usd=spent.cost,
        max_cost_usd=job.max_cost,
        latency_s=_seconds(job.created_at, job.finished_at),
        models=tuple(spent.models),
        calls=spent.calls,
        created_at=job.created_at,
        finished_at=job.finished_at,
        store=Store(job.store),
        filed=job.filed_at is not None,
        forgotten=job.store == Store.NONE and job.filed_at is not None,
        canary=job.canary,
        shadow_of=job.shadow_of,
        feedback=feedback,
    )


def _seconds(start: datetime, end: datetime | None) -> float:
    return round(((end or now()) - start).total_seconds(), 6)


def _by_job(rows: Iterable[Row[Any]]) -> dict[str, list[Row[Any]]]:
    found: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        found[row.job_id].append(row)
    return found


def _specs(connection: Connection, versions: set[str]) -> dict[str, dict[str, Any]]:
    query = select(PipelineVersion.version, PipelineVersion.spec).where(PipelineVersion.version.in_(sorted(versions)))
    return {row.version: row.spec for row in connection.execute(query)}


def _shadows(connection: Connection, ids: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    query = select(Job.shadow_of, Job.id).where(Job.shadow_of.in_(ids)).order_by(Job.id)
    for job, shadow in connection.execute(query):
        found[str(job)].append(shadow)
    return found


def _events(connection: Connection, ids: Sequence[str]) -> dict[tuple[str, str], list[Event]]:
    found: dict[tuple[str, str], list[Event]] = defaultdict(list)
    query = select(*StepEvent.__table__.c).where(StepEvent.job_id.in_(ids)).order_by(StepEvent.id)
    for row in connection.execute(query):
        event = Event(kind=EventKind(row.kind), detail=row.detail, at=row.created_at)
        found[row.job_id, row.path].append(event)
    return found


def _decisions(connection: Connection, ids: Sequence[str]) -> dict[tuple[str, str], list[Decision]]:
    found: dict[tuple[str, str], list[Decision]] = defaultdict(list)
    query = select(*tables.Decision.__table__.c).where(tables.Decision.job_id.in_(ids)).order_by(tables.Decision.epoch)
    for row in connection.execute(query):
        view = Decision(
            choice=row.choice,
            reason=row.reason,
            confidence=row.confidence,
            features=row.features,
            trained=row.trained,
        )
        found[row.job_id, row.path].append(view)
    return found


def _calls(
    connection: Connection, ids: Sequence[str], steps: dict[tuple[str, str], Row[Any]]
) -> dict[tuple[str, str], list[CallView]]:
    query = select(*Attempt.__table__.c, Attempt.cost.label("cost")).where(Attempt.job_id.in_(ids))
    query = query.order_by(Attempt.job_id, Attempt.path, Attempt.epoch, Attempt.number)
    found: dict[tuple[str, str], list[CallView]] = defaultdict(list)
    known_by_now: Sequence[Any] = connection.execute(query).all()
    made = [row for row in known_by_now if (row.job_id, row.path) in steps]  # a step may have come since they were read
    sources = _sources(connection, made)
    for place, of_step in groupby(made, lambda row: (row.job_id, row.path)):
        rows = list(of_step)
        views = [
            (row, _attempt_view(row, before, steps[place], sources))
            for before, row in zip([None, *rows], rows, strict=False)
        ]
        for (provider, model), pairs in groupby(views, lambda pair: (pair[0].provider, pair[0].model)):
            attempts = tuple(view for _, view in pairs)
            found[place].append(CallView(provider=provider, model=model, attempts=attempts))
    return found


def _sources(connection: Connection, attempts: Iterable[Row[Any]]) -> dict[int, str]:
    """Where the cached answers among `attempts` come from, as job and path."""
    ids = {row.cached_from for row in attempts if row.cached_from is not None}
    query = select(Attempt.id, Attempt.job_id, Attempt.path).where(Attempt.id.in_(sorted(ids)))
    return {id_: f"{job_id}/{path}" for id_, job_id, path in connection.execute(query)} if ids else {}


def _attempt_view(row: Row[Any], before: Row[Any] | None, step: Row[Any], sources: dict[int, str]) -> AttemptView:
    return AttemptView(
        outcome=_outcome(row, step),
        status=row.status,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        cached_tokens=row.cached_tokens,
        cache_write_tokens=row.cache_write_tokens,
        cost_usd=row.cost,
        latency_s=row.latency,
        error=row.error,
        error_kind=row.error_kind,
        finish_reason=row.finish_reason,
        form=row.form,
        cached=row.cached_from is not None,
        cached_from=sources.get(row.cached_from),
        batch=row.batch,
        request_id=row.request_id,
        prompt_hash=row.prompt_hash,
        answer_hash=row.answer_hash,
        logprob=row.logprob,
        started_at=row.started_at,
        because=_because(row, before),
        limit_wait_s=row.limit_wait,
        limit_reason=row.limit_reason,
    )


def _because(row: Row[Any], before: Row[Any] | None) -> str:
    """Why the attempt was made, `before` being the one before it in the same step."""
    if before is None:
        return "first"
    if before.model != row.model:
        return "fallback"
    if before.error_kind == ErrorKind.INVALID_OUTPUT:
        return "re-ask"
    return "retry" if before.epoch == row.epoch else "claimed again"


def _outcome(row: Row[Any], step: Row[Any]) -> str:
    if row.finished_at is None:
        in_flight = step.holder is not None and step.epoch == row.epoch
        return "in_flight" if in_flight else "unknown"
    if row.error_kind is None:
        return "answered" if row.cached_from is None else "cached"
    return "unknown" if row.error_kind == ErrorKind.UNKNOWN else "failed"


def _reading_order(steps: Iterable[Row[Any]]) -> list[Row[Any]]:
    """Parents before their children, children by their position; of those that share one, what began first."""
    below: dict[str | None, list[Row[Any]]] = defaultdict(list)
    for step in sorted(steps, key=lambda step: (step.position, step.started_at or NEVER, step.path)):
        below[step.parent].append(step)
    ordered: list[Row[Any]] = []
    waiting = below[None][::-1]
    while waiting:
        step = waiting.pop()
        ordered.append(step)
        waiting.extend(below[step.path][::-1])
    return ordered
