"""A background thread that does the same thing again and again for as long as its context is entered."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import redis
import structlog
from kombu.exceptions import OperationalError

from mirepoix.errors import LedgerError, LimitsUnavailable

AWAY = (LedgerError, LimitsUnavailable, OperationalError, redis.RedisError, OSError)
"""A service does not answer; the next round may find it back."""

log = structlog.get_logger("mirepoix")


class Rounds:
    """Calls `work` every `interval` seconds; a round that finds a service away is logged, and the next one comes."""

    def __init__(self, name: str, work: Callable[[], None], interval: float) -> None:
        self._name = name
        self._work = work
        self._interval = interval
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"mirepoix-{name}", daemon=True)

    @property
    def ended(self) -> bool:
        """Whether no more is to be begun."""
        return self._ended.is_set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._interval):
            try:
                self._work()
            except AWAY as error:
                log.warning("a round was not completed", of=self._name, reason=str(error))
