"""Give up calls in flight whose job has ended: it was cancelled, its deadline passed, or its budget is spent."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

import structlog

from mirepoix.errors import LedgerError
from mirepoix.ledger.read import read_states
from tasks.house import House

INTERVAL = 0.75
"""An ended job's calls are to be given up within two seconds."""

log = structlog.get_logger("mirepoix")


class Watch:
    """A background thread that asks the ledger about the jobs with a call in hand here; idle when there are none."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mirepoix-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(INTERVAL):
            try:
                self._look()
            except LedgerError as error:
                log.warning("the jobs of calls in flight could not be looked up", reason=str(error))

    def _look(self) -> None:
        jobs = self._house.flights.jobs()
        if not jobs:
            return
        with self._house.database.read() as connection:
            states = read_states(connection, sorted(jobs))
        self._house.flights.end_jobs({job_id for job_id, state in states.items() if state.terminal})
