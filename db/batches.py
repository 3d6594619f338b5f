"""Calls that go to their provider as one batch: who joins it, who looks after it, and what becomes of its calls.

A batch holds the steps of its calls as a process does, so nobody else claims them, and nobody takes them back while it
lives. Who looks after a batch holds it in turn, under an epoch of the batch's own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Connection, case, delete, select, update
from ulid import ULID

from db.answers import AnyRow, ready_step
from db.locks import lock_job
from db.steps import OPEN, Claim
from mirepoix.config import Batching
from mirepoix.ledger.contents import insert_missing, load
from mirepoix.ledger.tables import Attempt, Batch, Step, now
from mirepoix.planned import ReadyStep
from mirepoix.printable import printable
from mirepoix.states import BatchState, StepState

LONGEST_REST = timedelta(hours=1)
SENT_AGAIN = timedelta(seconds=10)
"""So long after a batch was due and nobody has taken it, it is sent again."""


@dataclass(frozen=True, slots=True)
class HeldBatch:
    """This process's right to look after a batch, until a newer `epoch` is claimed; and how the batch stands."""

    id: str
    provider: str
    model: str
    state: BatchState
    requests: int
    remote_id: str | None
    epoch: int
    failures: int
    created_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class BatchedCall:
    """A request of a batch; `prompt` is None where it is not kept any more, `wanted` whether its step waits for it."""

    attempt_id: int
    prompt: JsonValue
    wanted: bool


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A request of a batch whose outcome is to be recorded, and since when it waits."""

    claim: Claim
    asked_at: datetime


def was_batched(connection: Connection, claim: Claim) -> bool:
    """Whether the step has been part of a batch."""
    query = select(Attempt.id).where(Attempt.job_id == claim.job_id, Attempt.path == claim.path)
    return connection.execute(query.where(Attempt.batch.is_not(None)).limit(1)).one_or_none() is not None


def join_batch(connection: Connection, claim: Claim, attempt_id: int, *, provider: str, size: int, by: Batching) -> str:
    """Hand a claimed step, and the attempt that was opened for it, to the batch that gathers; returns the batch's id.

    `size` is the bytes of its request. From now on no canvas leads to what follows the step.
    """
    joined = None
    while joined is None:
        joined = _join(connection, provider, claim.model or "", size, by)
    connection.execute(update(Attempt).where(Attempt.id == attempt_id).values(batch=joined))
    connection.execute(
        update(Step)
        .where(Step.job_id == claim.job_id, Step.path == claim.path, Step.epoch == claim.epoch)
        .values(holder=joined, driven=True)
    )
    return joined


def take_due_batches(connection: Connection, providers: Collection[str], limit: int) -> list[tuple[str, str]]:
    """Batches of these providers to be looked after, for this process to publish; the longest due first."""
    query = select(Batch.id, Batch.provider).where(Batch.due_at <= now(), Batch.provider.in_(providers))
    rows = connection.execute(query.order_by(Batch.due_at).limit(limit).with_for_update(skip_locked=True)).all()
    for row in rows:
        connection.execute(update(Batch).where(Batch.id == row.id).values(due_at=now() + SENT_AGAIN))
    return [(row.id, row.provider) for row in rows]


def has_due_batches(connection: Connection) -> bool:
    """Whether there are any."""
    return connection.execute(select(Batch.id).where(Batch.due_at <= now()).limit(1)).one_or_none() is not None


def claim_batch(connection: Connection, batch_id: str, holder: str) -> HeldBatch | None:
    """Take the batch for `holder`, and let no more calls join it; None when it has ended or somebody holds it."""
    sealed = case((Batch.state == BatchState.GATHERING, BatchState.SEALED), else_=Batch.state)
    row = connection.execute(
        update(Batch)
        .where(Batch.id == batch_id, Batch.holder.is_(None), Batch.state != BatchState.ENDED)
        .values(holder=holder, epoch=Batch.epoch + 1, due_at=None, state=sealed)
        .returning(*Batch.__table__.c)
    ).one_or_none()
    if row is None:
        return None
    return HeldBatch(
        id=row.id,
        provider=row.provider,
        model=row.model,
        state=BatchState(row.state),
        requests=row.requests,
        remote_id=row.remote_id,
        epoch=row.epoch,
        failures=row.failures,
        created_at=row.created_at,
        sent_at=row.sent_at,
    )


def free_batches(connection: Connection, holder: str) -> None:
    """Let others look after what a process held that is gone."""
    connection.execute(update(Batch).where(Batch.holder == holder).values(holder=None, due_at=now()))


def note_requests(connection: Connection, batch: HeldBatch, requests: int) -> bool:
    """Write down that it is about to be sent with so many; False when the claim has lapsed."""
    return _change(connection, batch, {"requests": requests})


def mark_sent(connection: Connection, batch: HeldBatch, remote_id: str, look: timedelta) -> bool:
    """Write down what the provider calls it; it is looked at after `look`."""
    values = {"state": BatchState.SENT, "remote_id": remote_id, "sent_at": now(), "failures": 0, "error": None}
    return _change(connection, batch, {**values, "holder": None, "due_at": now() + look})


def put_down(connection: Connection, batch: HeldBatch, wait: timedelta, error: str | None = None) -> bool:
    """Let it be looked after again after `wait`; with an `error` it has failed once more."""
    failures = 0 if error is None else batch.failures + 1
    values = {"failures": failures, "error": None if error is None else printable(error)}
    return _change(connection, batch, {**values, "holder": None, "due_at": now() + wait})


def put_down_broken(connection: Connection, batch: HeldBatch) -> None:
    """Let it go if its task broke and it is still held; each time it is left alone for longer."""
    wait = min(LONGEST_REST, SENT_AGAIN * 2 ** min(batch.failures, 16))
    _change(connection, batch, {"holder": None, "due_at": now() + wait, "failures": batch.failures + 1})


def end_batch(connection: Connection, batch: HeldBatch, error: str | None = None) -> list[ReadyStep]:
    """Write down that all is said and done; steps that it still holds are ready again, for the caller to publish."""
    values = {"state": BatchState.ENDED, "ended_at": now(), "error": None if error is None else printable(error)}
    if not _change(connection, batch, {**values, "holder": None, "due_at": None}):
        return []
    rows: Iterable[AnyRow] = connection.execute(
        update(Step)
        .where(Step.holder == batch.id, Step.state == StepState.RUNNING)
        .values(holder=None, due_at=now(), ready_at=now())
        .returning(Step.job_id, Step.path, Step.kind, Step.lane, Step.provider, Step.model)
    ).all()
    return [ready_step(row.job_id, row.path, row) for row in rows]


def read_calls(connection: Connection, batch_id: str, *, after: int, limit: int) -> list[BatchedCall]:
    """Its requests whose outcome is not recorded, in order, those behind the attempt `after`."""
    rows = connection.execute(
        select(Attempt.id, Attempt.prompt_hash, Attempt.epoch, Step.epoch.label("now"), Step.state)
        .join(Step, (Step.job_id == Attempt.job_id) & (Step.path == Attempt.path))
        .where(Attempt.batch == batch_id, Attempt.finished_at.is_(None), Attempt.id > after)
        .order_by(Attempt.id)
        .limit(limit)
    ).all()
    prompts = load(connection, [row.prompt_hash for row in rows])
    return [
        BatchedCall(row.id, prompts.get(row.prompt_hash), row.epoch == row.now and row.state in OPEN) for row in rows
    ]


def is_wanted(connection: Connection, batch_id: str) -> bool:
    """Whether a step waits for one of its answers."""
    query = select(Step.path).where(Step.holder == batch_id, Step.state.in_(OPEN)).limit(1)
    return connection.execute(query).one_or_none() is not None


def open_call(connection: Connection, batch_id: str, attempt_id: int) -> OpenCall | None:
    """Lock the job of a request of that batch; None when its outcome is recorded, or it is not one of the batch's."""
    mine = (Attempt.id == attempt_id, Attempt.batch == batch_id, Attempt.finished_at.is_(None))
    job_id = connection.scalars(select(Attempt.job_id).where(*mine)).one_or_none()
    if job_id is None:
        return None
    job = lock_job(connection, job_id)
    row = connection.execute(
        select(Attempt.path, Attempt.epoch, Attempt.model, Attempt.started_at, Step.kind)
        .join(Step, (Step.job_id == Attempt.job_id) & (Step.path == Attempt.path))
        .where(*mine)
    ).one_or_none()
    if row is None:
        return None
    claim = Claim(job=job, path=row.path, kind=row.kind, epoch=row.epoch, driven=True, model=row.model)
    return OpenCall(claim, row.started_at)


def forget_batches(connection: Connection, before: datetime) -> None:
    """Delete those that ended before that moment and of which no request is left."""
    has_some = select(Attempt.id).where(Attempt.batch == Batch.id).exists()
    connection.execute(delete(Batch).where(Batch.ended_at < before, ~has_some))


def _join(connection: Connection, provider: str, model: str, size: int, by: Batching) -> str | None:
    """The id of the batch that took the request; None where it had to be begun, or sealed because it is full."""
    gathering = (Batch.provider == provider, Batch.model == model, Batch.state == BatchState.GATHERING)
    row = connection.execute(
        update(Batch)
        .where(*gathering)
        .values(requests=Batch.requests + 1, bytes=Batch.bytes + size)
        .returning(Batch.id, Batch.requests, Batch.bytes)
    ).one_or_none()
    if row is None:
        connection.execute(insert_missing(connection, Batch), [_fresh(provider, model, by)])
        return None
    seal = update(Batch).where(Batch.id == row.id)
    if row.bytes > by.bytes and row.requests > 1:
        full = {"state": BatchState.SEALED, "due_at": now(), "requests": row.requests - 1, "bytes": row.bytes - size}
        connection.execute(seal.values(full))
        return None
    if row.requests >= by.requests:
        connection.execute(seal.values(state=BatchState.SEALED, due_at=now()))
    return str(row.id)


def _fresh(provider: str, model: str, by: Batching) -> dict[str, Any]:
    moment = now()
    return {
        "id": str(ULID()),
        "provider": provider,
        "model": model,
        "state": BatchState.GATHERING,
        "requests": 0,
        "bytes": 0,
        "epoch": 0,
        "failures": 0,
        "due_at": moment + timedelta(seconds=by.wait),
        "created_at": moment,
    }


def _change(connection: Connection, batch: HeldBatch, values: dict[str, Any]) -> bool:
    changed = connection.execute(
        update(Batch)
        .where(Batch.id == batch.id, Batch.epoch == batch.epoch, Batch.holder.is_not(None))
        .values(**values)
    )
    return changed.rowcount == 1
