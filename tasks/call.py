"""Call a model: claim the step, ask, price, record. The only place where money is spent."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from celery import Signature
from pydantic import JsonValue
from sqlalchemy import Connection

from db.answers import Progress, answer_step, fail_step, holds
from db.attempts import Asked, Outcome, close_attempt, open_attempt
from db.steps import Claim, claim_step, release_step
from mirepoix.config import Model
from mirepoix.errors import LedgerError, PipelineError, ProviderError, StepFailed
from mirepoix.paths import find
from mirepoix.planned import ReadyStep
from mirepoix.prices import cost
from mirepoix.spec import Call
from mirepoix.states import ErrorKind
from pipelines.canvas import step_signature
from tasks.follow import follow
from tasks.house import House
from tasks.providers.base import Completion
from tasks.questions import build_question

LONGEST_WAIT = 60.0
FIRST_BACKOFF, LONGEST_BACKOFF = 0.5, 8.0
DICE = random.SystemRandom()
FIRST_REWRITE, LONGEST_REWRITE = 0.1, 5.0

log = structlog.get_logger("mirepoix")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Call:
    """A claimed call: the model's key and settings, the request as it will be sent."""

    claim: Claim
    key: str
    model: Model
    body: dict[str, JsonValue]

    @property
    def asked(self) -> Asked:
        return Asked(self.model.provider, self.key, self.model.name, self.body)


def call_model(house: House, job_id: str, path: str) -> Signature[Any] | None:
    """Answer the call at `path`; a duplicate or an early message finds nothing to claim and does nothing.

    Returns the signature that replaces this task when the call moves on to a fallback's queue. Raises StepFailed when
    no model answered, after writing down why.
    """
    claimed = _claim(house, job_id, path)
    if claimed is None:
        return None
    call, attempt_id = claimed
    number = 0
    while (error := _attempt(house, call, attempt_id)) is not None:
        wait = wait_before_retry(error, number, house.config.providers[call.model.provider].retries)
        if wait is None:
            return _give_up(house, call, error)
        time.sleep(wait)
        again = _open_again(house, call)
        if again is None:
            return None
        attempt_id, number = again, number + 1
    return None


def wait_before_retry(error: ProviderError, number: int, retries: int) -> float | None:
    """Seconds to wait after the failed attempt `number` (from 0), or None when it must not be sent again.

    Full jitter below a doubling bound, and never less than the provider asked for; who asks for more than a minute is
    not waited for.
    """
    if not error.retryable or number >= retries:
        return None
    jitter = DICE.uniform(0, min(LONGEST_BACKOFF, FIRST_BACKOFF * 2**number))
    wait = jitter if error.wait is None else error.wait + jitter / 4
    return wait if wait <= LONGEST_WAIT else None


def _claim(house: House, job_id: str, path: str) -> tuple[_Call, int] | None:
    """Claim the step, build its request, and write down that it is about to be sent."""
    with house.database.write() as connection:
        claim = claim_step(connection, job_id, path, house.worker_id)
        if claim is None:
            return None
        try:
            call = _build(house, connection, claim)
            return call, open_attempt(connection, claim, call.asked)
        except PipelineError as error:
            reason = str(error)
            progress = fail_step(connection, claim, ErrorKind.TEMPLATE, reason)
    follow(house, job_id, progress)
    raise StepFailed(reason)


def _build(house: House, connection: Connection, claim: Claim) -> _Call:
    key = claim.model or ""
    if key not in house.config.models:
        raise PipelineError(f"model {key!r} is not configured on this worker.")
    model = house.config.models[key]
    place = find(house.spec(connection, claim.version), claim.path)
    question = build_question(connection, claim, place, model)
    return _Call(claim, key, model, house.adapter(model.provider).body(question))


def _attempt(house: House, call: _Call, attempt_id: int) -> ProviderError | None:
    """Send the request once and write down what came of it; None when the step is answered."""
    started = time.monotonic()
    try:
        completion = house.adapter(call.model.provider).send(call.body, f"{call.claim.job_id}/{call.claim.path}")
    except ProviderError as error:
        failed = _failed_outcome(error, time.monotonic() - started)
        _write(house, lambda connection: close_attempt(connection, attempt_id, failed))
        return error
    outcome = _outcome(house, call, completion, time.monotonic() - started)
    if completion.refused:
        _write(house, lambda connection: close_attempt(connection, attempt_id, outcome))
        return ProviderError("the model declined to answer", kind=ErrorKind.REFUSED, status=completion.status)
    follow(house, call.claim.job_id, _write(house, lambda connection: _answer(connection, call, attempt_id, outcome)))
    return None


def _answer(connection: Connection, call: _Call, attempt_id: int, outcome: Outcome) -> Progress:
    progress = answer_step(connection, call.claim, outcome.answer)
    close_attempt(connection, attempt_id, outcome)
    return progress


def _open_again(house: House, call: _Call) -> int | None:
    """Write down the next attempt; None when the step is no longer ours (cancelled, or taken over)."""
    with house.database.write() as connection:
        return open_attempt(connection, call.claim, call.asked) if holds(connection, call.claim) else None


def _give_up(house: House, call: _Call, error: ProviderError) -> Signature[Any] | None:
    """Move the step to the next fallback, or else fail it."""
    claim = call.claim
    fallback = _next_fallback(house, call)
    if fallback is not None:
        provider = house.config.provider_of(fallback)
        released = _write(house, lambda c: release_step(c, claim, model=fallback, provider=provider))
        moved = ReadyStep(claim.job_id, claim.path, claim.kind, provider, fallback)
        return step_signature(house.app, moved) if released else None
    reason = f"{call.model.provider}/{call.key}: {error}"
    follow(house, claim.job_id, _write(house, lambda c: fail_step(c, claim, error.kind, reason)))
    raise StepFailed(reason)


def _next_fallback(house: House, call: _Call) -> str | None:
    """The model to ask after this one, along the fallbacks of the model that the pipeline names."""
    with house.database.read() as connection:
        node = find(house.spec(connection, call.claim.version), call.claim.path).node
    if not isinstance(node, Call):
        return None
    line = (
        (node.model, *house.config.models[node.model].fallbacks) if node.model in house.config.models else (call.key,)
    )
    after = line.index(call.key) + 1 if call.key in line else len(line)
    return line[after] if after < len(line) else None


def _outcome(house: House, call: _Call, completion: Completion, latency: float) -> Outcome:
    api = house.config.providers[call.model.provider].api
    return Outcome(
        latency=latency,
        answer=completion.answer,
        status=completion.status,
        error_kind=ErrorKind.REFUSED if completion.refused else None,
        error="the model declined to answer" if completion.refused else None,
        finish_reason=completion.finish_reason,
        request_id=completion.request_id,
        usage=completion.usage,
        cost=cost(call.model, api, completion.usage),
    )


def _failed_outcome(error: ProviderError, latency: float) -> Outcome:
    return Outcome(
        latency=latency, status=error.status, error_kind=error.kind, error=str(error), request_id=error.request_id
    )


def _write(house: House, record: Callable[[Connection], T]) -> T:
    """Carry out `record` in a transaction, again and again until the ledger takes it: what it records is paid for."""
    wait = FIRST_REWRITE
    while True:
        try:
            with house.database.write() as connection:
                return record(connection)
        except LedgerError as error:
            log.warning("the ledger does not take an outcome; trying again", wait=wait, reason=str(error))
        time.sleep(wait)
        wait = min(2 * wait, LONGEST_REWRITE)
