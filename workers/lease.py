"""Hold this process's lease: register it, let its beat rise, and hand everything back at the end."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

import structlog

from db.workers import beat, register_worker, retire_worker
from mirepoix.errors import LedgerError
from tasks.follow import publish_steps
from tasks.house import House

BEATS_A_LEASE = 6

log = structlog.get_logger("mirepoix")


class Lease:
    """While entered, the process counts as alive and keeps the steps it claims."""

    def __init__(self, house: House, name: str, queues: list[str]) -> None:
        self._house = house
        self._name = name
        self._queues = queues
        self._interval = house.settings.lease / BEATS_A_LEASE
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="mirepoix-lease", daemon=True)

    def __enter__(self) -> Self:
        with self._house.database.write() as connection:
            register_worker(connection, self._house.worker_id, self._name, self._queues)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        with self._house.database.write() as connection:
            held = retire_worker(connection, self._house.worker_id)
        publish_steps(self._house, [back.step for back in held])

    def _renew(self) -> None:
        while not self._ended.wait(self._interval):
            try:
                with self._house.database.write() as connection:
                    was_alive = beat(connection, self._house.worker_id)
            except LedgerError as error:
                log.warning("the lease could not be renewed", reason=str(error))
                continue
            if not was_alive:
                log.warning("this process had been given up for dead; its steps may have been taken over")
