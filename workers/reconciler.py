"""Repair what messages alone do not: dead holders, jobs nobody started, ready steps nobody claimed.

Runs in every orchestrate worker. Each action is a compare-and-set in the ledger, so any number of reconcilers agree.
A message sent twice costs a hop, never money: the claim decides.
"""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

import structlog
from amqp.exceptions import ChannelError
from celery import Celery
from kombu.exceptions import ChannelError as VirtualChannelError
from kombu.exceptions import OperationalError

from db.overdue import (
    OverdueStep,
    overdue_jobs,
    overdue_steps,
    postpone_step,
    take_overdue_job,
    take_overdue_step,
)
from db.workers import bury_worker, read_beats
from mirepoix.config import ORCHESTRATE
from mirepoix.errors import LedgerError
from mirepoix.queues import START, queue, queue_name
from tasks.follow import publish_steps
from tasks.house import House

INTERVAL = 2.0
LEASE = 15.0
"""Seconds for which a beat may stand still before its process counts as dead."""
BATCH = 200
BACKLOG_WAIT = timedelta(seconds=30)

log = structlog.get_logger("mirepoix")


class Reconciler:
    """A background thread that looks at the ledger every two seconds."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._beats: dict[str, tuple[int, float]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mirepoix-reconciler", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def reconcile(self) -> None:
        """One look at everything. Raises LedgerError or kombu's OperationalError when a service is away."""
        self._bury_the_dead()
        self._start_forgotten_jobs()
        self._publish_forgotten_steps()

    def _run(self) -> None:
        while not self._ended.wait(INTERVAL):
            try:
                self.reconcile()
            except (LedgerError, OperationalError, OSError) as error:
                log.warning("the reconciler could not look", reason=str(error))

    def _bury_the_dead(self) -> None:
        with self._house.database.read() as connection:
            beats = read_beats(connection)
        moment = time.monotonic()
        known = {worker_id: seen for worker_id, seen in self._beats.items() if worker_id in beats}
        for worker_id, beat in beats.items():
            seen = known.get(worker_id)
            if seen is None or seen[0] != beat:
                known[worker_id] = (beat, moment)
            elif moment - seen[1] > LEASE:
                self._bury(worker_id, beat)
        self._beats = known

    def _bury(self, worker_id: str, beat: int) -> None:
        with self._house.database.write() as connection:
            taken = bury_worker(connection, worker_id, beat)
        if taken is not None:
            log.warning("a worker is dead; its steps are taken back", worker=worker_id, steps=taken)

    def _start_forgotten_jobs(self) -> None:
        with self._house.database.read() as connection:
            jobs = overdue_jobs(connection, BATCH)
        if not jobs or backlog(self._house.app, ORCHESTRATE) > 0:
            return
        for job in jobs:
            with self._house.database.write() as connection:
                taken = take_overdue_job(connection, job)
            if taken:
                shown = f"({job.job_id})"
                self._house.app.send_task(START, [job.job_id], queue=ORCHESTRATE, argsrepr=shown, kwargsrepr="{}")

    def _publish_forgotten_steps(self) -> None:
        with self._house.database.read() as connection:
            overdue = overdue_steps(connection, BATCH)
        waiting = {name: backlog(self._house.app, name) for name in {_queue_of(step) for step in overdue}}
        for step in overdue:
            with self._house.database.write() as connection:
                if waiting[_queue_of(step)] > 0:
                    postpone_step(connection, step, BACKLOG_WAIT)
                    continue
                taken = take_overdue_step(connection, step)
            if taken:
                log.info("a step is sent again", job=step.step.job_id, path=step.step.path, times=step.drives + 1)
                publish_steps(self._house, [step.step])


def backlog(app: Celery, name: str) -> int:
    """How many messages wait in the queue `name`; 0 when there is no such queue (yet)."""
    with app.connection_for_read() as connection:
        try:
            declared: Any = queue(name).bind(connection.default_channel).queue_declare(passive=True)
            return int(declared.message_count)
        except (ChannelError, VirtualChannelError):
            return 0


def _queue_of(overdue: OverdueStep) -> str:
    return ORCHESTRATE if overdue.step.provider is None else queue_name(overdue.step.provider)
