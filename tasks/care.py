"""What a task's trouble means: a message that goes back, one that leads nowhere, or a step that must fail.

Left alone, a task that breaks in an unforeseen way would leave its step held, or have it sent again, for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import redis
import structlog
from celery.exceptions import Ignore, Reject, Retry
from kombu.exceptions import OperationalError

from db.answers import fail_broken_step
from db.attempts import close_broken_attempts
from mirepoix.errors import LedgerError, NotFound, StepFailed
from mirepoix.states import ErrorKind, Lane
from pipelines.canvas import start_signature
from tasks.flights import HandedBack
from tasks.follow import follow
from tasks.house import House
from tasks.sending import send
from tasks.start import fail_start

SPARED = (StepFailed,)
"""Ends that the ledger has the reason for; Celery shows the task as failed and prints no traceback."""
LEFT_TO_THE_RECONCILER = (OperationalError, redis.RedisError, OSError)
"""The broker or the Redis beside it took no message: what should follow is in the ledger, ready, and will be sent."""
CELERYS_OWN = (Ignore, Reject, Retry)
LEDGER_WAIT = 1.0

log = structlog.get_logger("mirepoix")


class _Care:
    """While entered, `fail` is what becomes of the step or job when something unforeseen breaks."""

    def __init__(self, house: House, job_id: str, path: str | None, fail: Callable[[str], None]) -> None:
        self._house = house
        self._job_id = job_id
        self._path = path
        self._fail = fail

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Whether the trouble is dealt with."""
        match error:
            case None:
                return False
            case HandedBack():
                raise Reject("this worker stops", requeue=True) from error
            case LedgerError():
                self._house.flights.closing.wait(LEDGER_WAIT)
                log.warning("the ledger is away; the message goes back", job=self._job_id, reason=str(error))
                raise Reject("the ledger is away", requeue=True) from error
            case NotFound():
                log.warning("a message names what the ledger does not have", job=self._job_id, path=self._path)
                return True
        if isinstance(error, (*SPARED, *CELERYS_OWN, *LEFT_TO_THE_RECONCILER)) or not isinstance(error, Exception):
            return False
        self._fail(f"{type(error).__name__} in the task itself; the worker's log has the traceback")
        return False


def caring_for_jobs(house: House, job_ids: Sequence[str]) -> _Care:
    """For the start of jobs. Where it breaks, each is sent again alone, so that only the one that breaks it fails."""

    def fail(reason: str) -> None:
        if len(job_ids) == 1:
            fail_start(house, job_ids[0], reason)
        else:
            send(house.app, [start_signature(house.app, [job_id], Lane.FAST) for job_id in job_ids])

    return _Care(house, job_ids[0], None, fail)


def caring_for_step(house: House, job_id: str, path: str) -> _Care:
    """For a step of a job."""

    def fail(reason: str) -> None:
        with house.database.write() as connection:
            progress = fail_broken_step(connection, job_id, path, ErrorKind.INTERNAL, reason, holder=house.worker_id)
            if progress.won:
                close_broken_attempts(connection, job_id, path)
        follow(house, job_id, progress)

    return _Care(house, job_id, path, fail)
