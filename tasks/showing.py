"""Show in Flower what becomes of a task between its start and its end: custom states, as events only.

Nothing of it is stored, and an event holds the task's id and its state. A state that cannot be shown is not missed: no
call waits for the broker because of it.
"""

from __future__ import annotations

import queue
import re
import threading
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import celery
import redis
import structlog
from amqp.exceptions import AMQPError
from celery import Celery
from kombu.exceptions import OperationalError

MOST_WAITING = 1000
BROKER_IS_AWAY = (OperationalError, AMQPError, redis.RedisError, OSError, AttributeError)
"""The AttributeError comes of a channel that was closed in that moment: its connection is None."""

log = structlog.get_logger("mirepoix")


class Shown(StrEnum):
    """What a task is at. Celery knows none of these; Flower shows a state that it does not know by its name."""

    WAITING = "waiting_for_limit"
    """The provider takes no call now."""
    ASKING = "asking"
    """It had to wait, and its request is out now; one that need not wait is `started`."""
    RETRYING = "waiting_to_retry"
    """The request failed, and will be sent again."""
    RE_ASKING = "re_asking"
    """The answer did not fit the schema; the model is asked again."""
    ESCALATING = "escalating"
    """An earlier tier of its cascade was not good enough, so a later one is asked."""


LATER_TIER = re.compile(r"(?:^|[.])tiers[.][1-9]")


def current_task_id() -> str | None:
    """The Celery task that this thread is at; None where it is at none."""
    request = getattr(celery.current_task, "request", None)
    return None if request is None else request.id


def asking(path: str) -> Shown:
    """What the call at `path` is at while its request is out."""
    return Shown.ESCALATING if LATER_TIER.search(path) else Shown.ASKING


@dataclass(frozen=True, slots=True)
class _Event:
    task_id: str
    hostname: str | None
    shown: Shown


class Showing:
    """Sends events from a thread of its own; when too many wait, the newest are dropped."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._started = False

    @cached_property
    def _events(self) -> queue.Queue[_Event]:
        return queue.Queue(MOST_WAITING)

    def show(self, shown: Shown) -> None:
        """Say what the task of this thread is at; nothing where there is none."""
        request = getattr(celery.current_task, "request", None)
        if request is None or request.id is None:
            return
        self._start()
        try:
            self._events.put_nowait(_Event(request.id, request.hostname, shown))
        except queue.Full:
            log.debug("a state is not shown", task=request.id)

    def _start(self) -> None:
        with self._lock:
            if not self._started:
                self._started = True
                threading.Thread(target=self._run, name="mirepoix-showing", daemon=True).start()

    def _run(self) -> None:
        while True:
            event = self._events.get()
            try:
                with self._app.events.default_dispatcher(hostname=event.hostname) as dispatcher:
                    dispatcher.send(f"task-{event.shown}", uuid=event.task_id)
            except BROKER_IS_AWAY as error:
                log.debug("a state is not shown", task=event.task_id, reason=str(error))
