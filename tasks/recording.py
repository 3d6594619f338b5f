"""Write down what came of a request, however long the ledger takes to accept it: it is paid for."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

import structlog
from sqlalchemy import Connection

from db.attempts import Outcome
from mirepoix.errors import LedgerError, ProviderError
from mirepoix.prices import FULL_PRICE, cost
from mirepoix.states import ErrorKind
from tasks.house import House
from tasks.intent import Intent
from tasks.providers.base import Completion
from tasks.wanted import Fit, Misfit

FIRST_WAIT, LONGEST_WAIT = 0.1, 5.0

log = structlog.get_logger("mirepoix")
T = TypeVar("T")


def answered(
    house: House,
    intent: Intent,
    completion: Completion,
    fit: Fit | Misfit,
    latency: float,
    *,
    share: Decimal = FULL_PRICE,
) -> Outcome:
    """The outcome of a request that a model answered, well or badly, or refused to: billed either way.

    `share` is the part of the price that it costs.
    """
    provider = house.config.providers[intent.model.provider]
    kind, error = _shortcoming(completion, fit)
    return Outcome(
        latency=latency,
        answer=completion.answer,
        status=completion.status,
        error_kind=kind,
        error=error,
        finish_reason=completion.finish_reason,
        form=fit.form if isinstance(fit, Fit) and kind is None else None,
        request_id=completion.request_id,
        usage=completion.usage,
        logprob=completion.logprob,
        cost=cost(intent.model, provider.api, completion.usage, provider.prices_of, share=share),
    )


def _shortcoming(completion: Completion, fit: Fit | Misfit) -> tuple[ErrorKind | None, str | None]:
    if completion.refused:
        return ErrorKind.REFUSED, "the model declined to answer"
    return (ErrorKind.INVALID_OUTPUT, fit.problems) if isinstance(fit, Misfit) else (None, None)


def failed(error: ProviderError, latency: float) -> Outcome:
    """The outcome of a request without an answer."""
    return Outcome(
        latency=latency, status=error.status, error_kind=error.kind, error=str(error), request_id=error.request_id
    )


def write_until_taken(house: House, record: Callable[[Connection], T]) -> T:
    """Carry out `record` in a transaction, again and again until the ledger takes it."""
    wait = FIRST_WAIT
    while True:
        try:
            with house.database.write() as connection:
                return record(connection)
        except LedgerError as error:
            log.warning("the ledger does not take an outcome; trying again", wait=wait, reason=str(error))
        time.sleep(wait)
        wait = min(2 * wait, LONGEST_WAIT)
