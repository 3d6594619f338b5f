"""One row per request to a provider: its intent before it is sent, its end whatever comes back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from db.budgets import NOTHING, feared_cost, settle
from db.steps import Claim
from mirepoix.ledger.contents import encode, store
from mirepoix.ledger.tables import Attempt, Job, now
from mirepoix.prices import Usage
from mirepoix.printable import printable
from mirepoix.states import ErrorKind

KEPT = (None, ErrorKind.INVALID_OUTPUT)
"""Errors with which an answer is kept."""

_OF_CLAIM = (
    Attempt.job_id == bindparam("of_job"),
    Attempt.path == bindparam("at"),
    Attempt.epoch == bindparam("claimed"),
)
_OPEN = (
    insert(Attempt)
    .values(number=select(func.count() + 1).where(*_OF_CLAIM).scalar_subquery(), estimated=False)
    .returning(Attempt.id)
)
_CLOSE = update(Attempt).where(Attempt.id == bindparam("attempt"))
_RESERVING = (
    select(
        Job.tenant,
        Attempt.started_at,
        Attempt.finished_at,
        Attempt.error_kind,
        Attempt.cost.label("cost"),
        Attempt.reserved.label("reserved"),
    )
    .join(Job, Job.id == Attempt.job_id)
    .where(Attempt.id == bindparam("attempt"), Attempt.reserved > NOTHING)
)


@dataclass(frozen=True, slots=True)
class Asked:
    """Who is asked what: the model as configured, its name on the wire, and the prompt as sent.

    `reserved` is what it may cost at the most (USD), set aside where a budget applies, else 0.
    """

    provider: str
    model: str
    wire_name: str
    prompt: JsonValue
    reserved: Decimal = NOTHING


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request ended. `latency` is seconds; `usage` and `cost` are None when no answer with them came back.

    `logprob` is the mean log-probability of the answer's tokens, where the provider tells it.
    `limit_wait` is for how many seconds it waited for leave to be sent, and `limit_reason` why.
    An answer with an error is not kept, unless it is its schema that the answer breaks. `form` is as what JSON
    stood in it.
    """

    latency: float
    answer: JsonValue = None
    status: int | None = None
    error_kind: ErrorKind | None = None
    error: str | None = None
    finish_reason: str | None = None
    form: str | None = None
    request_id: str | None = None
    usage: Usage | None = None
    cost: Decimal | None = None
    logprob: float | None = None
    limit_wait: float | None = None
    limit_reason: str | None = None


def open_attempt(connection: Connection, claim: Claim, asked: Asked) -> int:
    """Write down that a request is about to be sent; returns the attempt's id."""
    (hash_,) = store(connection, [asked.prompt])
    return insert_attempt(connection, claim, asked, {"prompt_hash": hash_, "reserved": asked.reserved})


def insert_attempt(connection: Connection, claim: Claim, asked: Asked, values: dict[str, Any]) -> int:
    """Add the next attempt of a claim, with `values` beside who is asked; returns its id."""
    row = {
        "of_job": claim.job_id,
        "at": claim.path,
        "claimed": claim.epoch,
        "job_id": claim.job_id,
        "path": claim.path,
        "epoch": claim.epoch,
        "provider": asked.provider,
        "model": asked.model,
        "wire_name": asked.wire_name,
        "started_at": now(),
        **values,
    }
    return int(connection.execute(_OPEN, row).scalar_one())


def close_attempt(
    connection: Connection, attempt_id: int, outcome: Outcome, *, reserved: bool = True, kept: bool = False
) -> datetime:
    """Complete the row with what came back; returns the moment it was written.

    Not `reserved`: nothing was set aside for it. `kept`: this transaction has put its answer away already.
    """
    usage = outcome.usage
    moment = now()
    if reserved:
        _settle(connection, attempt_id, outcome)
    end = {
        "answer_hash": _answer_hash(connection, outcome, kept=kept),
        "status": outcome.status,
        "error_kind": outcome.error_kind,
        "error": printable(outcome.error) if outcome.error else None,
        "finish_reason": printable(outcome.finish_reason, 40) if outcome.finish_reason else None,
        "form": outcome.form,
        "logprob": outcome.logprob,
        "request_id": printable(outcome.request_id, 200) if outcome.request_id else None,
        "input_tokens": usage.input if usage else None,
        "output_tokens": usage.output if usage else None,
        "cached_tokens": usage.cached if usage else None,
        "cache_write_tokens": usage.cache_write if usage else None,
        "estimated": usage.estimated if usage else False,
        "cost": outcome.cost,
        "latency": outcome.latency,
        "limit_wait": outcome.limit_wait,
        "limit_reason": outcome.limit_reason,
        "finished_at": moment,
    }
    connection.execute(_CLOSE, {"attempt": attempt_id, **end})
    return moment


def _answer_hash(connection: Connection, outcome: Outcome, *, kept: bool) -> str | None:
    if outcome.error_kind not in KEPT:
        return None
    return encode(outcome.answer)[0] if kept else store(connection, [outcome.answer])[0]


def discard_attempt(connection: Connection, attempt_id: int) -> None:
    """Strike out a request that was never sent."""
    _settle(connection, attempt_id, Outcome(latency=0, cost=NOTHING))
    connection.execute(delete(Attempt).where(Attempt.id == attempt_id))


def models_asked(connection: Connection, claim: Claim) -> set[str]:
    """The models that this step has asked already; none of them gave the answer that it still needs."""
    query = select(Attempt.model).where(Attempt.job_id == claim.job_id, Attempt.path == claim.path)
    return set(connection.scalars(query.where(Attempt.finished_at.is_not(None))).all())


def close_lost_attempts(connection: Connection, claims: Iterable[tuple[str, str, int]]) -> None:
    """Complete the open attempts of claims (job, path, epoch) whose process is gone: nobody knows what came of them."""
    for job_id, path, epoch in claims:
        query = select(Attempt.id).where(Attempt.job_id == job_id, Attempt.path == path, Attempt.epoch == epoch)
        lost = Outcome(latency=0, error_kind=ErrorKind.UNKNOWN, error="the process that asked is gone")
        for attempt_id in connection.scalars(query.where(Attempt.finished_at.is_(None))).all():
            close_attempt(connection, attempt_id, lost)


def close_broken_attempts(connection: Connection, job_id: str, path: str) -> None:
    """Complete the open attempts of a step whose task broke."""
    query = select(Attempt.epoch).where(Attempt.job_id == job_id, Attempt.path == path, Attempt.finished_at.is_(None))
    close_lost_attempts(connection, [(job_id, path, epoch) for epoch in connection.scalars(query).all()])


def _settle(connection: Connection, attempt_id: int, outcome: Outcome) -> None:
    """Tell the tenant's day what became of the attempt's reserve; where it reserved nothing, nobody counts."""
    was = connection.execute(_RESERVING, {"attempt": attempt_id}).one_or_none()
    if was is None:
        return
    is_open = was.finished_at is None
    kind = ErrorKind(was.error_kind) if was.error_kind else None
    settle(
        connection,
        was.tenant,
        was.started_at,
        reserved=was.reserved if is_open else NOTHING,
        before=NOTHING if is_open else feared_cost(kind, was.cost, was.reserved),
        after=feared_cost(outcome.error_kind, outcome.cost, was.reserved),
    )
