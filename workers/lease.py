"""Hold this process's lease: register it, let its beat rise, and hand everything back at the end."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

import structlog

from db.workers import beat, register_worker, retire_worker
from mirepoix.errors import LedgerError
from mirepoix.ledger.engine import Database

BEAT_INTERVAL = 2.0

log = structlog.get_logger("mirepoix")


class Lease:
    """While entered, the process counts as alive and keeps the steps it claims."""

    def __init__(self, database: Database, worker_id: str, name: str, queues: list[str]) -> None:
        self._database = database
        self._worker_id = worker_id
        self._name = name
        self._queues = queues
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="mirepoix-lease", daemon=True)

    def __enter__(self) -> Self:
        with self._database.write() as connection:
            register_worker(connection, self._worker_id, self._name, self._queues)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        with self._database.write() as connection:
            retire_worker(connection, self._worker_id)

    def _renew(self) -> None:
        while not self._ended.wait(BEAT_INTERVAL):
            try:
                with self._database.write() as connection:
                    was_alive = beat(connection, self._worker_id)
            except LedgerError as error:
                log.warning("the lease could not be renewed", reason=str(error))
                continue
            if not was_alive:
                log.warning("this process had been given up for dead; its steps may have been taken over")
