"""Repair what messages alone do not: dead holders, jobs nobody started, ready steps nobody claimed, missed deadlines.

Runs in every orchestrate worker. Each action is a compare-and-set in the ledger, so any number of reconcilers agree.
A message sent twice costs a hop, never money: the claim decides.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import structlog
from amqp.exceptions import ChannelError
from celery import Celery
from kombu.exceptions import ChannelError as VirtualChannelError
from kombu.exceptions import OperationalError

from db.answers import Progress, fail_broken_step
from db.lanes import waiting_tenants
from db.overdue import (
    SentAgain,
    has_overdue_steps,
    late_jobs,
    overdue_jobs,
    take_overdue_jobs,
    take_overdue_steps,
)
from db.waking import late_wakes
from db.workers import TakenBack, bury_worker, read_beats
from mirepoix.ledger.ending import stop_late_job
from mirepoix.planned import ReadyStep
from mirepoix.queues import queue, queue_name
from mirepoix.states import ErrorKind, Lane
from tasks.follow import follow, promote, publish_starts, publish_steps
from tasks.house import House
from tasks.waking import wake
from workers.rounds import Rounds

BATCH = 500
LOOKS_A_LEASE = 4
"""So often, at the least, a beat must be seen standing still before its process counts as dead."""
MOST_CRASHES = 5
"""So many processes may die with a step in their hands before it is set aside."""
MOST_DRIVES = 20
"""So often in a row a step may be sent to an empty queue and not be claimed before it is set aside."""
TRICKLE_PATIENCE, TRICKLE = 20, 5
"""A queue that is never empty may hide a loss: what has waited so many times longer is sent again, a few at a time."""

WAKE_PATIENCE = timedelta(seconds=0.5)
"""So late a timer may be before the step that it was to wake is woken without it."""

log = structlog.get_logger("mirepoix")


class Reconciler(Rounds):
    """Looks at the ledger some times in a lease; `patience` is when it begins to wonder."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._lease = house.settings.lease
        self._patience = timedelta(seconds=self._lease * 2 / 3)
        self._looked = time.monotonic()
        self._beats: dict[str, tuple[int, float]] = {}
        self._alive = set[str]()
        super().__init__("reconciler", self.reconcile, self._lease / LOOKS_A_LEASE / 2)

    def reconcile(self) -> None:
        """One look at everything; raises what `rounds.AWAY` lists."""
        self._bury_the_dead()
        self._stop_the_late()
        self._wake_the_forgotten()
        self._fill_the_fast_lane()
        for lane in Lane:
            self._start_forgotten_jobs(lane)
            for provider in (None, *self._house.config.providers):
                self._send_forgotten_steps(provider, lane)

    def _bury_the_dead(self) -> None:
        """Take back what processes hold whose beat, on our own clock, has stood still for a lease.

        Time in which the ledger could not be read counts for little, and none while it takes no beat of our own: it
        says nothing of who is alive then.
        """
        with self._house.database.read() as connection:
            beats = read_beats(connection)
        moment = time.monotonic()
        passed, self._looked = min(moment - self._looked, self._lease / LOOKS_A_LEASE), moment
        still = {worker_id: self._stillness(worker_id, beat, passed) for worker_id, beat in beats.items()}
        if still.get(self._house.worker_id, 0.0) > self._lease / 2:
            still = dict.fromkeys(beats, 0.0)
        self._beats = {worker_id: (beat, still[worker_id]) for worker_id, beat in beats.items()}
        for worker_id, beat in beats.items():
            if still[worker_id] > self._lease:
                self._bury(worker_id, beat)
        if set(beats) != self._alive:
            self._alive = set(beats)
            self._house.limits.keep_only(self._alive)

    def _stillness(self, worker_id: str, beat: int, passed: float) -> float:
        """For how many seconds the beat has stood still, `passed` of them since the last look."""
        before, seconds = self._beats.get(worker_id, (beat, -passed))
        return seconds + passed if before == beat else 0.0

    def _bury(self, worker_id: str, beat: int) -> None:
        with self._house.database.write() as connection:
            taken = bury_worker(connection, worker_id, beat)
        if taken is None:
            return
        log.warning("a worker is dead; its steps are taken back", worker=worker_id, steps=len(taken))
        publish_steps(self._house, self._without_poison(taken))
        self._house.limits.forget([worker_id])

    def _without_poison(self, taken: list[TakenBack]) -> Iterable[ReadyStep]:
        for back in taken:
            if back.crashes < MOST_CRASHES:
                yield back.step
            else:
                reason = f"{back.crashes} processes died while they worked on this step; it is set aside."
                self._give_up(back.step, reason)

    def _stop_the_late(self) -> None:
        with self._house.database.read() as connection:
            late = late_jobs(connection, BATCH)
        for job_id in late:
            with self._house.database.write() as connection:
                ended = stop_late_job(connection, job_id)
            follow(self._house, job_id, Progress(won=ended, job_ended=ended))

    def _wake_the_forgotten(self) -> None:
        """Steps that were to be woken by a process that is gone."""
        with self._house.database.read() as connection:
            forgotten = late_wakes(connection, WAKE_PATIENCE, BATCH)
        for due in forgotten:
            wake(self._house, due)

    def _fill_the_fast_lane(self) -> None:
        with self._house.database.read() as connection:
            tenants = list(waiting_tenants(connection))
        for tenant in tenants:
            promote(self._house, tenant)

    def _start_forgotten_jobs(self, lane: Lane) -> None:
        with self._house.database.read() as connection:
            forgotten = overdue_jobs(connection, lane, self._patience, 1)
        if not forgotten:
            return
        patience, most = self._haste(backlog(self._house.app, queue_name(None, lane)))
        with self._house.database.write() as connection:
            taken = take_overdue_jobs(connection, lane, patience, most)
        publish_starts(self._house, taken, lane)

    def _send_forgotten_steps(self, provider: str | None, lane: Lane) -> None:
        with self._house.database.read() as connection:
            if not has_overdue_steps(connection, provider, lane, self._patience):
                return
        waiting = backlog(self._house.app, queue_name(provider, lane))
        patience, most = self._haste(waiting)
        with self._house.database.write() as connection:
            again = take_overdue_steps(connection, provider, lane, patience, most)
        if again:
            log.info("steps are sent again", queue=queue_name(provider, lane), steps=len(again))
        publish_steps(self._house, self._without_hopeless(again, waiting))

    def _haste(self, waiting: int) -> tuple[timedelta, int]:
        """For how long what is sent again must have waited, and how much of it, where `waiting` messages are queued."""
        return (self._patience, BATCH) if waiting == 0 else (self._patience * TRICKLE_PATIENCE, TRICKLE)

    def _without_hopeless(self, again: list[SentAgain], waiting: int) -> Iterable[ReadyStep]:
        for sent in again:
            if waiting == 0 and sent.drives > MOST_DRIVES:
                self._give_up(sent.step, f"it was sent {sent.drives - 1} times and nobody claimed it; it is set aside.")
            else:
                yield sent.step

    def _give_up(self, step: ReadyStep, reason: str) -> None:
        log.warning("a step is set aside", job=step.job_id, path=step.path, reason=reason)
        with self._house.database.write() as connection:
            progress = fail_broken_step(connection, step.job_id, step.path, ErrorKind.GAVE_UP, reason)
        follow(self._house, step.job_id, progress)


def backlog(app: Celery, name: str) -> int:
    """How many messages wait in the queue `name`; 0 when there is no such queue (yet).

    Raises kombu's OperationalError when the broker is away, at once: left alone, kombu would wait for it for ever.
    """
    with app.connection_for_read() as connection:
        connection.ensure_connection(max_retries=1, interval_start=0)
        try:
            declared: Any = queue(name).bind(connection.default_channel).queue_declare(passive=True)
            return int(declared.message_count)
        except (ChannelError, VirtualChannelError):
            return 0
        except connection.connection_errors as error:
            raise OperationalError(f"the broker went away: {error}") from error
