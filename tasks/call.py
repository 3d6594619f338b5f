"""Call a model: claim the step, be admitted, ask, price, record. The only place where money is spent."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum, auto
from typing import Any

import structlog
from celery import Signature
from sqlalchemy import Connection

from db.answers import Progress, answer_step
from db.attempts import Outcome, close_attempt, discard_attempt
from db.events import record_events
from db.steps import release_step
from mirepoix.errors import LimitsUnavailable, ProviderError
from mirepoix.states import ErrorKind, EventKind
from pipelines.canvas import step_signature
from tasks.flights import Flight, GivenUp, HandedBack, SetDown
from tasks.giving_up import fallback_of, give_up, move, time_left
from tasks.house import House
from tasks.intent import Intent, Moved, ask_again, claim_call, open_again
from tasks.lead_on import lead_on
from tasks.limits import Admission, Reason, Refusal, wait_for_admission
from tasks.providers.base import Completion
from tasks.recording import answered, failed, write_until_taken
from tasks.showing import Shown, asking
from tasks.spans import CallSpan
from tasks.telling import Telling
from tasks.wanted import Misfit

LONGEST_WAIT = 60.0
FIRST_BACKOFF, LONGEST_BACKOFF = 0.5, 8.0
DICE = random.SystemRandom()
LIMITS_RETRY = 0.5
BREAKS = (ErrorKind.CONNECT, ErrorKind.TIMEOUT, ErrorKind.OVERLOADED, ErrorKind.UNKNOWN)
"""Failures that say that the provider is in trouble; the breaker counts them."""
ASKS_FOR_PEACE = (ErrorKind.RATE_LIMITED, ErrorKind.OVERLOADED)
UNCOUNTED = (ErrorKind.CONNECT, ErrorKind.RATE_LIMITED, ErrorKind.BAD_REQUEST, ErrorKind.AUTH, ErrorKind.NOT_FOUND)
"""Failures for which a provider counts no tokens."""
TROUBLE = (Reason.BREAKER, Reason.PAUSED)
"""Reasons to ask a fallback at once; at a limit of our own the call waits for its turn."""

log = structlog.get_logger("mirepoix")


def call_model(house: House, job_id: str, path: str) -> Signature[Any] | None:
    """Answer the call at `path`; a duplicate or an early message finds nothing to claim and does nothing.

    Returns the signature that replaces this task when the call moves on to another model's queue. Raises StepFailed
    when no model answered, after writing down why, and HandedBack when the process is about to end.
    """
    try:
        with house.flights.begin(job_id, path) as flight:
            intent = claim_call(house, flight, job_id, path)
            return None if intent is None else _Asking(house, flight, intent).until_answered()
    except Moved as moved:
        return step_signature(house.app, moved.step)
    except GivenUp as given_up:
        if given_up.why is SetDown.SHUTDOWN:
            raise HandedBack from given_up
        return None


def wait_before_retry(error: ProviderError, number: int, retries: int) -> float | None:
    """Seconds to wait after the failed attempt `number` (from 0), or None when it must not be sent again.

    Full jitter below a doubling bound. What the provider asked for comes on top, as a pause for all workers.
    """
    if not error.retryable or number >= retries:
        return None
    return DICE.uniform(0, min(LONGEST_BACKOFF, FIRST_BACKOFF * 2**number))


class _Postponed(Exception):
    """The provider takes no calls for longer than a thread should wait."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


class _Stage(Enum):
    """How far an attempt has come."""

    UNSENT = auto()
    SENT = auto()
    WRITTEN = auto()
    """Its outcome is in the ledger."""


@dataclass(slots=True)
class _Asking:
    """One claimed call on its way to an answer, attempt after attempt."""

    house: House
    flight: Flight
    intent: Intent
    stage: _Stage = _Stage.UNSENT
    shown: Shown = Shown.ASKING
    held_up: Reason | None = None
    limit_wait: float | None = None

    def until_answered(self) -> Signature[Any] | None:
        """Ask again until there is an answer or no more hope; returns what takes the task's place."""
        try:
            return self._ask()
        except GivenUp as given_up:
            self._set_down(given_up.why)
            raise
        except _Postponed as postponed:
            return self._move_or_postpone(postponed.refusal)

    def _ask(self) -> Signature[Any] | None:
        retries = self.house.config.providers[self.intent.model.provider].retries
        number = 0
        while (error := self._attempt()) is not None:
            wait = wait_before_retry(error, number, retries)
            if error.kind is ErrorKind.INVALID_OUTPUT and self.intent.wanted.reasks_left > 0:
                self._show_again(Shown.RE_ASKING, error)
                again, number = ask_again(self.house, self.flight, self.intent), 0
            elif wait is not None:
                self._show_again(Shown.RETRYING, error)
                self.flight.wait(wait)
                again, number = open_again(self.house, self.flight, self.intent), number + 1
            else:
                return give_up(self.house, self.intent, error)
            if again is None:
                return None
            self.intent, self.stage = again, _Stage.UNSENT
        return None

    def _show(self, shown: Shown) -> None:
        if shown is not self.shown:
            self.shown = shown
            self.house.showing.show(shown)

    def _show_again(self, shown: Shown, error: ProviderError) -> None:
        self._show(shown)
        self.house.meters.sent_again(self.intent.model.provider, self.intent.key, error.kind)

    def _attempt(self) -> ProviderError | None:
        """Send the request once and write down what came of it; None when the step is answered."""
        admission = self._be_admitted()
        if self.shown is not Shown.RE_ASKING:
            self._show(asking(self.intent.claim.path))
        with self.house.spans.call(self.intent, self.house.config.providers[self.intent.model.provider]) as span:
            return self._ask_once(admission, span)

    def _ask_once(self, admission: Admission, span: CallSpan) -> ProviderError | None:
        self.stage, started = _Stage.SENT, time.monotonic()
        tokens: int | None = None
        broke: bool | None = None
        try:
            completion = self._send()
            tokens, broke = completion.usage.input + completion.usage.output, False
        except ProviderError as error:
            tokens, broke = (0 if error.kind in UNCOUNTED else None), error.kind in BREAKS
            outcome = self._with_wait(failed(error, time.monotonic() - started))
            self._tell(outcome, span)
            self._close(outcome)
            self._heed(error)
            return error
        finally:
            self._leave(admission, tokens, broke=broke)
        return self._record(completion, time.monotonic() - started, span)

    def _be_admitted(self) -> Admission:
        """Wait for leave to call. Raises GivenUp, and _Postponed when it would take too long."""
        flight, key, tokens = self.flight, self.intent.key, self.intent.tokens
        self.held_up, self.limit_wait, started = None, None, time.monotonic()
        while True:
            try:
                answer = self.house.limits.admit(key, tokens)
                if isinstance(answer, Refusal):
                    self.held_up = self.held_up or answer.reason
                if isinstance(answer, Refusal) and not (
                    answer.reason in TROUBLE and fallback_of(self.house, self.intent) is not None
                ):
                    answer = self._wait_for_leave(answer)
            except LimitsUnavailable as error:
                log.warning("the limits cannot be asked; trying again", reason=str(error))
                flight.wait(LIMITS_RETRY)
                continue
            if isinstance(answer, Admission):
                self.limit_wait = None if self.held_up is None else time.monotonic() - started
                return answer
            flight.wait(0)
            raise _Postponed(answer)

    def _wait_for_leave(self, refusal: Refusal) -> Admission | Refusal:
        began, house = time.monotonic(), self.house
        self._show(Shown.WAITING)
        try:
            intent = self.intent
            return wait_for_admission(house.limits, intent.key, intent.tokens, self.flight.down, LONGEST_WAIT)
        finally:
            seconds = time.monotonic() - began
            house.meters.waited(refusal.provider, refusal.model, refusal.reason, seconds)

    def _send(self) -> Completion:
        """Raises ProviderError, and GivenUp."""
        intent, left = self.intent, time_left(self.intent)
        tag = f"{intent.claim.job_id}/{intent.claim.path}"
        timeout = min(intent.timeout, left)
        adapter = self.house.adapter(intent.model.provider)
        telling = Telling(self.house.teller, intent.claim.job_id, intent.attempt_id) if intent.told else None
        try:
            on_text = None if telling is None else telling.add
            return self.flight.send(adapter.send(intent.body, tag, on_text), timeout)
        except TimeoutError as error:
            message = f"no answer within {timeout:g} s"
            raise ProviderError(message, kind=ErrorKind.TIMEOUT, retryable=timeout < left) from error
        finally:
            if telling is not None:
                telling.flush()

    def _heed(self, error: ProviderError) -> None:
        """Let all workers wait where the provider asks for it."""
        if error.kind in ASKS_FOR_PEACE and error.wait:
            with self._limits_may_fail():
                self.house.limits.pause(self.intent.model.provider, error.wait)

    def _leave(self, admission: Admission, tokens: int | None, *, broke: bool | None) -> None:
        with self._limits_may_fail():
            self.house.limits.settle(admission, tokens, failed=broke)

    @contextmanager
    def _limits_may_fail(self) -> Iterator[None]:
        """What could not be told to the limits costs a place for a while, never an answer."""
        try:
            yield
        except LimitsUnavailable as error:
            log.warning("the limits could not be told", reason=str(error))

    def _tell(self, outcome: Outcome, span: CallSpan, response_model: str | None = None) -> None:
        """Tell those who measure what came of a request."""
        span.end(outcome, response_model)
        self.house.meters.call_ended(self.intent.model.provider, self.intent.key, outcome)

    def _record(self, completion: Completion, latency: float, span: CallSpan) -> ProviderError | None:
        fit = self.intent.wanted.read(completion.answer, completion.finish_reason)
        outcome = self._with_wait(answered(self.house, self.intent, completion, fit, latency))
        self._tell(outcome, span, completion.model)
        if completion.refused:
            self._close(outcome)
            return ProviderError("the model declined to answer", kind=ErrorKind.REFUSED, status=completion.status)
        if isinstance(fit, Misfit):
            self._close(outcome)
            return ProviderError(fit.reason, kind=ErrorKind.INVALID_OUTPUT, status=completion.status)

        def record(connection: Connection) -> Progress:
            progress = answer_step(connection, self.intent.claim, fit.output)
            kept = progress.won and outcome.answer is fit.output
            close_attempt(connection, self.intent.attempt_id, outcome, reserved=self.intent.most_cost > 0, kept=kept)
            return progress

        lead_on(self.house, self.intent.claim.job, write_until_taken(self.house, record))
        return None

    def _with_wait(self, outcome: Outcome) -> Outcome:
        return replace(outcome, limit_wait=self.limit_wait, limit_reason=self.held_up)

    def _close(self, outcome: Outcome) -> None:
        write_until_taken(self.house, lambda connection: close_attempt(connection, self.intent.attempt_id, outcome))
        self.stage = _Stage.WRITTEN

    def _move_or_postpone(self, refusal: Refusal) -> Signature[Any] | None:
        """Nothing was sent: strike the attempt out, and go on at a fallback now or here later."""
        intent, fallback = self.intent, fallback_of(self.house, self.intent)
        write_until_taken(self.house, lambda connection: discard_attempt(connection, intent.attempt_id))
        if refusal.reason in TROUBLE and fallback is not None:
            return move(self.house, intent, fallback, refusal.reason)
        wait = timedelta(seconds=refusal.wait)

        def postpone(connection: Connection) -> None:
            if release_step(connection, intent.claim, wait=wait):
                told = f"{intent.key}: {refusal.reason}, {refusal.wait:.1f} s more"
                record_events(connection, [(intent.claim.job_id, intent.claim.path)], EventKind.POSTPONED, told)

        write_until_taken(self.house, postpone)
        log.info("a call waits", job=intent.claim.job_id, model=intent.key, reason=refusal.reason, wait=refusal.wait)
        return None

    def _set_down(self, why: SetDown) -> None:
        """The flight was ended early: close or strike out its attempt, and hand the step back if its job goes on."""
        intent, stage = self.intent, self.stage
        aborted = Outcome(latency=0, error_kind=ErrorKind.ABORTED, error=f"given up in mid-air: {why.value}")

        def record(connection: Connection) -> None:
            if stage is _Stage.SENT:
                close_attempt(connection, intent.attempt_id, aborted)
            elif stage is _Stage.UNSENT:
                discard_attempt(connection, intent.attempt_id)
            if why is SetDown.SHUTDOWN and release_step(connection, intent.claim):
                record_events(connection, [(intent.claim.job_id, intent.claim.path)], EventKind.HANDED_BACK)

        if stage is _Stage.SENT:
            self.house.meters.call_ended(intent.model.provider, intent.key, aborted)
        write_until_taken(self.house, record)
