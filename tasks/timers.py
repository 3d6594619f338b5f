"""Do something later, in this process. What must happen in any case stands in the ledger too, for the reconciler."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from itertools import count


class Timers:
    """One thread that does what it was given when its time has come, one thing after the other.

    Celery's own means, a task with an ETA, would be held in a worker and count among what it works on.
    """

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="mirepoix-timers", daemon=True).start()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Call `action` in so many seconds."""
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._numbers), action))
            self._changed.notify()

    def _run(self) -> None:
        while True:
            self._next()()

    def _next(self) -> Callable[[], None]:
        """Wait for the first action to be due."""
        with self._changed:
            while not self._due or self._due[0][0] > time.monotonic():
                self._changed.wait(self._due[0][0] - time.monotonic() if self._due else None)
            return heapq.heappop(self._due)[2]
