"""Write down what became of one request of a batch, and let its step go on. Each once, however often it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import structlog
from pydantic import JsonValue
from sqlalchemy import Connection

from db.answers import Progress, answer_step, fail_step
from db.attempts import Outcome, close_attempt
from db.batches import OpenCall, open_call
from db.steps import release_step
from mirepoix.errors import PipelineError, ProviderError, StepFailed
from mirepoix.ledger.tables import now
from mirepoix.planned import ReadyStep
from mirepoix.prices import FULL_PRICE
from mirepoix.states import ErrorKind
from tasks.follow import follow, publish_steps
from tasks.giving_up import give_up
from tasks.house import House
from tasks.intent import Intent, rebuild
from tasks.providers.base import Completion
from tasks.recording import answered, failed, write_until_taken
from tasks.wanted import Misfit

Read = Callable[[dict[str, JsonValue]], Completion]
"""Reads the answer to the body of a request. Raises ProviderError where there is none."""

NOTHING_FOLLOWS = Progress(won=False)

log = structlog.get_logger("mirepoix")


@dataclass(frozen=True, slots=True)
class _Recorded:
    """What was written down, and what follows from it: the step has ended, is asked again alone, or is given up.

    `intent` is what was asked, None where that cannot be known any more; `model` is who the answer says it is from.
    """

    call: OpenCall
    outcome: Outcome
    intent: Intent | None = None
    model: str | None = None
    progress: Progress = NOTHING_FOLLOWS
    again: ReadyStep | None = None
    hopeless: tuple[Intent, ProviderError] | None = None


def record_result(house: House, batch_id: str, attempt_id: int, read: Read) -> None:
    """Record the outcome of one request, unless it has been recorded."""
    recorded = write_until_taken(house, lambda connection: _record(house, connection, batch_id, attempt_id, read))
    if recorded is None:
        return
    _tell(house, recorded)
    follow(house, recorded.call.claim.job_id, recorded.progress)
    if recorded.again is not None:
        publish_steps(house, [recorded.again])
    if recorded.hopeless is not None:
        _give_up(house, *recorded.hopeless)


def _record(house: House, connection: Connection, batch_id: str, attempt_id: int, read: Read) -> _Recorded | None:
    call = open_call(connection, batch_id, attempt_id)
    if call is None:
        return None
    latency = (now() - call.asked_at).total_seconds()
    try:
        intent = rebuild(house, connection, call.claim, attempt_id)
    except PipelineError as error:  # another configuration than when it was asked
        outcome = Outcome(latency=latency, error_kind=ErrorKind.UNKNOWN, error=str(error))
        close_attempt(connection, attempt_id, outcome)
        progress = fail_step(connection, call.claim, ErrorKind.PIPELINE, str(error))
        return _Recorded(call, outcome, progress=progress)
    try:
        completion = read(intent.body)
    except ProviderError as error:
        return _without_answer(connection, call, intent, error, failed(error, latency))
    return _with_answer(house, connection, call, intent, completion, latency)


def _with_answer(
    house: House, connection: Connection, call: OpenCall, intent: Intent, completion: Completion, latency: float
) -> _Recorded:
    fit = intent.wanted.read(completion.answer, completion.finish_reason)
    outcome = answered(house, intent, completion, fit, latency, share=_share(house, intent))
    if completion.refused:
        error = ProviderError("the model declined to answer", kind=ErrorKind.REFUSED, status=completion.status)
        return _without_answer(connection, call, intent, error, outcome, completion.model)
    if isinstance(fit, Misfit):
        again = intent.wanted.reasks_left > 0
        error = ProviderError(fit.reason, kind=ErrorKind.INVALID_OUTPUT, retryable=again, status=completion.status)
        return _without_answer(connection, call, intent, error, outcome, completion.model)
    progress = answer_step(connection, call.claim, fit.output)
    close_attempt(connection, intent.attempt_id, outcome)
    return _Recorded(call, outcome, intent, completion.model, progress)


def _without_answer(
    connection: Connection,
    call: OpenCall,
    intent: Intent,
    error: ProviderError,
    outcome: Outcome,
    model: str | None = None,
) -> _Recorded:
    """A step that may be asked again is handed back; it goes on alone."""
    claim = call.claim
    close_attempt(connection, intent.attempt_id, outcome)
    if not error.retryable:
        return _Recorded(call, outcome, intent, model, hopeless=(intent, error))
    ready = ReadyStep(claim.job_id, claim.path, claim.kind, claim.job.lane, intent.model.provider, intent.key)
    return _Recorded(call, outcome, intent, model, again=ready if release_step(connection, claim) else None)


def _tell(house: House, recorded: _Recorded) -> None:
    """Tell those who measure what came of a request."""
    intent = recorded.intent
    if intent is None:
        return
    provider = house.config.providers[intent.model.provider]
    house.spans.batched(intent, provider, recorded.call.asked_at).end(recorded.outcome, recorded.model)
    house.meters.batched_call_ended(intent.model.provider, intent.key, recorded.outcome)


def _give_up(house: House, intent: Intent, error: ProviderError) -> None:
    try:
        moved = give_up(house, intent, error)
    except StepFailed as failure:
        log.info("a call of a batch failed", job=intent.claim.job_id, path=intent.claim.path, reason=str(failure))
        return
    if moved is not None:
        moved.apply_async()


def _share(house: House, intent: Intent) -> Decimal:
    batching = house.config.providers[intent.model.provider].batching
    return FULL_PRICE if batching is None else batching.price
