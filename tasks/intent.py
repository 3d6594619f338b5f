"""What is about to be asked: the claimed step, the request, and the attempt written down before it is sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from pydantic import JsonValue
from sqlalchemy import Connection

from db.answers import Progress, fail_step, holds
from db.attempts import Asked, models_asked, open_attempt
from db.batches import join_batch
from db.budgets import NOTHING, Room, reserve
from db.decisions import record_decision
from db.locks import LockedJob
from db.steps import Claim, claim_step, move_step, put_off_step
from mirepoix.config import Batching, Model
from mirepoix.errors import BudgetExceeded, PipelineError, StepFailed
from mirepoix.ledger.ending import stop_job
from mirepoix.paths import find
from mirepoix.planned import ReadyStep
from mirepoix.prices import FULL_PRICE, Usage, cost
from mirepoix.spec import Call
from mirepoix.states import ErrorKind
from pipelines.streaming import speaks_for_the_job
from tasks.batches.custom_ids import custom_id
from tasks.batches.joining import batching_of
from tasks.cached import answer_as_before, answer_from_cache
from tasks.flights import Flight
from tasks.house import House
from tasks.lead_on import lead_on
from tasks.limits import most_tokens
from tasks.memory import NotLookedInto
from tasks.providers.base import Question
from tasks.questions import build_question
from tasks.showing import current_task_id
from tasks.wanted import Wanted, want

FIRST_LOOK, LONGEST_LOOK = 0.1, 1.0
LONGEST_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class Intent:
    """A claimed call. `tokens` is what it may use at the most, `timeout` the seconds that an attempt may take.

    `key` is the model that is asked, `named` the one that the pipeline names.
    `wanted` is what its answer must be like; one that the same request got within the last `ttl` seconds may serve.
    `told`: whoever listens is told the answer while it comes. `batching`: it waits for a batch.
    """

    claim: Claim
    key: str
    model: Model
    body: dict[str, JsonValue]
    tokens: int
    most_cost: Decimal
    timeout: float
    question: Question
    named: str
    wanted: Wanted
    ttl: float | None = None
    told: bool = False
    batching: Batching | None = None
    attempt_id: int = 0


@dataclass(frozen=True, slots=True)
class _Stopped:
    """The step, or its whole job, was failed instead: why, and what follows from it."""

    job: LockedJob
    reason: str
    progress: Progress


@dataclass(frozen=True, slots=True)
class _Served:
    """The step was answered without asking anybody; what follows from it."""

    job: LockedJob
    progress: Progress


@dataclass(frozen=True, slots=True)
class _Batched:
    """The step and its attempt are in the hands of a batch."""


class Moved(Exception):
    """The step goes on with another model, on that one's queue; nothing was sent."""

    def __init__(self, step: ReadyStep) -> None:
        super().__init__(step.model)
        self.step = step


Prepared = Intent | _Stopped | _Served | _Batched | ReadyStep
"""What became of a call before anything was sent; a ReadyStep is the same call at another model."""


class _NoRoomYet(Exception):
    """The budget may have room once the calls in flight have told what they cost; rolls the transaction back."""


def claim_call(house: House, flight: Flight, job_id: str, path: str) -> Intent | None:
    """Claim the step, build its request, set its cost aside and open its first attempt, in one transaction.

    A long request is looked into between two tries of that transaction, while the ledger is free. None when there
    is nothing to claim, the ledger had the answer already, or the call waits for a batch. Waits for the budget
    while other calls hold it reserved. Raises StepFailed when the prompt cannot be built, must not leave the house,
    or the budget is spent, after writing that down; Moved when another model is to be asked; and GivenUp.
    """

    def prepare(connection: Connection) -> Prepared | None:
        claim = claim_step(connection, job_id, path, house.worker_id, current_task_id())
        return None if claim is None else _prepare(house, connection, claim)

    return _when_there_is_room(house, flight, prepare, held=False)


def open_again(house: House, flight: Flight, intent: Intent) -> Intent | None:
    """Open the next attempt; None when the step is no longer ours. Waits and raises as `claim_call`."""

    def prepare(connection: Connection) -> Prepared | None:
        return _open(house, connection, intent) if holds(connection, intent.claim) else None

    return _when_there_is_room(house, flight, prepare)


def ask_again(house: House, flight: Flight, intent: Intent) -> Intent | None:
    """Ask the same model anew, with what was wrong with its last answer. Otherwise as `open_again`."""

    def prepare(connection: Connection) -> Prepared | None:
        return _prepare(house, connection, intent.claim) if holds(connection, intent.claim) else None

    return _when_there_is_room(house, flight, prepare)


def rebuild(house: House, connection: Connection, claim: Claim, attempt_id: int) -> Intent:
    """What the attempt of an earlier claim asked, to read its answer. Raises PipelineError where it cannot be known."""
    return replace(_build(house, connection, claim), attempt_id=attempt_id)


def _when_there_is_room(
    house: House, flight: Flight, prepare: Callable[[Connection], Prepared | None], *, held: bool = True
) -> Intent | None:
    wait, waited = FIRST_LOOK, 0.0
    while True:
        try:
            with house.database.write() as connection:
                outcome = prepare(connection)
        except _NoRoomYet:
            if waited >= LONGEST_WAIT and not held:
                _put_off(house, flight)
                return None
            flight.wait(wait)
            waited, wait = waited + wait, min(2 * wait, LONGEST_LOOK)
            continue
        except NotLookedInto as unseen:
            unseen.look()
            flight.wait(0)
            continue
        if isinstance(outcome, _Stopped):
            lead_on(house, outcome.job, outcome.progress)
            raise StepFailed(outcome.reason)
        if isinstance(outcome, _Served):
            lead_on(house, outcome.job, outcome.progress)
            return None
        if isinstance(outcome, _Batched):
            return None
        if isinstance(outcome, ReadyStep):
            raise Moved(outcome)
        return outcome


def _put_off(house: House, flight: Flight) -> None:
    """What holds the budget reserved may be a batch, which takes hours: the step waits in the ledger, not here."""
    with house.database.write() as connection:
        put_off_step(connection, flight.job_id, flight.path, wait=timedelta(seconds=LONGEST_WAIT))


def _prepare(house: House, connection: Connection, claim: Claim) -> Prepared:
    if (progress := answer_as_before(connection, claim)) is not None:
        return _Served(claim.job, progress)
    try:
        intent = _build(house, connection, claim)
    except PipelineError as error:
        return _Stopped(claim.job, str(error), fail_step(connection, claim, ErrorKind.TEMPLATE, str(error)))
    return _open(house, connection, intent)


def _build(house: House, connection: Connection, claim: Claim) -> Intent:
    key = claim.model or ""
    if key not in house.config.models:
        raise PipelineError(f"model {key!r} is not configured on this worker.")
    model = house.config.models[key]
    provider = house.config.providers[model.provider]
    place = find(house.spec(connection, claim.job.version), claim.path)
    node = place.node
    if not isinstance(node, Call):
        raise PipelineError(f"step {place.path!r} is no call.")
    batching = batching_of(connection, claim, provider)
    wanted, question = want(connection, claim, node, build_question(connection, claim, place, model))
    return Intent(
        claim=claim,
        key=key,
        model=model,
        body=house.adapter(model.provider).body(question),
        tokens=most_tokens(question),
        most_cost=_most_cost(house, claim, model, question, FULL_PRICE if batching is None else batching.price),
        timeout=min(node.timeout or provider.timeout, provider.timeout),
        wanted=wanted,
        ttl=node.cache.ttl if node.cache is not None else None,
        told=claim.job.stream and speaks_for_the_job(place),
        question=question,
        named=node.model,
        batching=batching,
    )


def _most_cost(house: House, claim: Claim, model: Model, question: Question, share: Decimal) -> Decimal:
    """What the call may cost at the most, roughly; 0 where no budget asks."""
    if claim.job.max_cost is None and not house.config.bounds(claim.job.tenant):
        return NOTHING
    usage = Usage(input=most_tokens(question) - question.max_tokens, output=question.max_tokens)
    provider = house.config.providers[model.provider]
    return cost(model, provider.api, usage, provider.prices_of, share=share)


def _open(house: House, connection: Connection, intent: Intent) -> Prepared:
    kept = _keep_in_house(house, connection, intent)
    if kept is not None:
        return kept
    job = intent.claim.job
    asked = Asked(intent.model.provider, intent.key, intent.model.name, intent.body, intent.most_cost)
    if (progress := answer_from_cache(connection, intent, asked)) is not None:
        return _Served(job, progress)
    try:
        room = reserve(connection, job, intent.most_cost, house.config.bounds(job.tenant))
    except BudgetExceeded as error:
        ended = stop_job(connection, job.id, ErrorKind.BUDGET, str(error))
        return _Stopped(job, str(error), Progress(won=ended, job_ended=ended))
    if room is Room.LATER:
        raise _NoRoomYet
    opened = replace(intent, attempt_id=open_attempt(connection, intent.claim, asked))
    return opened if opened.batching is None else _join(house, connection, opened, opened.batching)


def _join(house: House, connection: Connection, intent: Intent, by: Batching) -> _Batched:
    provider = intent.model.provider
    size = len(house.batches(provider).line(custom_id("0" * 26, intent.attempt_id), intent.body))
    join_batch(connection, intent.claim, intent.attempt_id, provider=provider, size=size, by=by)
    return _Batched()


def _keep_in_house(house: House, connection: Connection, intent: Intent) -> _Stopped | ReadyStep | None:
    """Where the request must not leave: the same step at a model in the house, or its failure. Writes down why."""
    claim = intent.claim
    kept = house.guard.keep_in_house(
        named=intent.named,
        asked=intent.key,
        question=intent.question,
        body=intent.body,
        failed=lambda: models_asked(connection, claim),
    )
    if kept is None:
        return None
    record_decision(connection, claim, kept.decision)
    if kept.model is None:
        reason = kept.decision.reason
        return _Stopped(claim.job, reason, fail_step(connection, claim, ErrorKind.PRIVACY, reason))
    provider = house.config.provider_of(kept.model)
    move_step(connection, claim, model=kept.model, provider=provider, why=ErrorKind.PRIVACY)
    return ReadyStep(claim.job_id, claim.path, claim.kind, claim.job.lane, provider, kept.model)
