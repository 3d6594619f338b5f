"""Hold this process's lease: register it, let its beat rise, and hand everything back at the end."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import structlog

from db.workers import beat, register_worker, retire_worker
from tasks.follow import publish_steps
from tasks.house import House
from workers.rounds import AWAY, Rounds

BEATS_A_LEASE = 6

log = structlog.get_logger("mirepoix")


class Lease(Rounds):
    """While entered, the process counts as alive and keeps the steps it claims."""

    def __init__(self, house: House, name: str, queues: list[str]) -> None:
        self._house = house
        self._worker = name
        self._queues = queues
        super().__init__("lease", self._renew, house.settings.lease / BEATS_A_LEASE)

    def __enter__(self) -> Self:
        with self._house.database.write() as connection:
            register_worker(connection, self._house.worker_id, self._worker, self._queues)
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        try:
            with self._house.database.write() as connection:
                held = retire_worker(connection, self._house.worker_id)
            publish_steps(self._house, [back.step for back in held])
        except AWAY as away:
            log.warning("what this process held could not be handed back; it will be found", reason=str(away))

    def _renew(self) -> None:
        with self._house.database.write() as connection:
            was_alive = beat(connection, self._house.worker_id)
        if not was_alive:
            log.warning("this process had been given up for dead; its steps may have been taken over")
