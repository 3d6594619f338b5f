"""The calls that this process has in hand, so that those no longer wanted can be given up.

A flight lasts from the claim of a call to its record. Whoever ends it early (its job has ended, the worker must) sets
it down: if it waits, it wakes; if its request is out, the connection is closed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from enum import Enum
from typing import Any, TypeVar

from tasks.loop import Loop

T = TypeVar("T")


class SetDown(Enum):
    """Why a flight was ended before its answer came."""

    JOB_ENDED = "its job has ended"
    NOT_NEEDED = "its answer is no longer needed"
    SHUTDOWN = "the worker is stopped"


class GivenUp(Exception):
    """Raised in the thread of a flight that was set down; `why` says for what."""

    def __init__(self, why: SetDown) -> None:
        super().__init__(why.name)
        self.why = why


class HandedBack(Exception):
    """The message goes back to its queue undone: this process is about to end."""


class Flight:
    """One call from its claim to its record."""

    def __init__(self, job_id: str, path: str, loop: Loop) -> None:
        self.job_id = job_id
        self.path = path
        self.down = threading.Event()
        self._loop = loop
        self._why = SetDown.SHUTDOWN
        self._out: Future[Any] | None = None
        self._lock = threading.Lock()

    @property
    def is_out(self) -> bool:
        """Whether its request has been sent and its answer is waited for."""
        return self._out is not None

    def wait(self, seconds: float) -> None:
        """Let `seconds` pass; raises GivenUp as soon as the flight is set down."""
        if self.down.wait(seconds):
            raise GivenUp(self._why)

    def send(self, request: Coroutine[Any, Any, T], timeout: float) -> T:
        """Run `request` on the loop and wait for it; raises GivenUp, or TimeoutError after `timeout` seconds."""
        with self._lock:
            if self.down.is_set():
                request.close()
                raise GivenUp(self._why)
            out = self._out = self._loop.submit(asyncio.wait_for(request, timeout))
        try:
            answer: T = out.result()
        except CancelledError as error:
            raise GivenUp(self._why) from error
        finally:
            self._out = None
        return answer

    def set_down(self, why: SetDown, *, if_out: bool = True) -> None:
        """End it now; without `if_out` only if its request has not been sent: one that has is billed."""
        with self._lock:
            if self.down.is_set() or (self.is_out and not if_out):
                return
            self._why = why
            self.down.set()
            if self._out is not None:
                self._out.cancel()


class Flights:
    """All flights of this process, and whether it still takes new ones."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._flights: set[Flight] = set()
        self.closing = threading.Event()

    @contextmanager
    def begin(self, job_id: str, path: str) -> Iterator[Flight]:
        """A flight for the call at `path` of `job_id`; raises GivenUp once the process is about to end."""
        flight = Flight(job_id, path, self._loop)
        with self._lock:
            if self.closing.is_set():
                raise GivenUp(SetDown.SHUTDOWN)
            self._flights.add(flight)
        try:
            yield flight
        finally:
            with self._lock:
                self._flights.discard(flight)

    def steps(self) -> set[tuple[str, str]]:
        """The calls in hand here, by job and path."""
        return {(flight.job_id, flight.path) for flight in self._all()}

    def out(self) -> int:
        """How many requests are out now."""
        return sum(flight.is_out for flight in self._all())

    def waiting(self) -> int:
        """How many calls wait: for leave, for their budget, or to be sent again."""
        return sum(not flight.is_out for flight in self._all())

    def end_jobs(self, job_ids: set[str]) -> None:
        """Set down the flights of jobs that have ended."""
        for flight in self._all():
            if flight.job_id in job_ids:
                flight.set_down(SetDown.JOB_ENDED)

    def end_steps(self, steps: set[tuple[str, str]]) -> None:
        """Set down the flights of calls that nobody needs any more."""
        for flight in self._all():
            if (flight.job_id, flight.path) in steps:
                flight.set_down(SetDown.NOT_NEEDED)

    def close(self, grace: float) -> None:
        """Begin no more; set down what waits at once, and what is out after `grace` seconds."""
        with self._lock:
            self.closing.set()
        for flight in self._all():
            flight.set_down(SetDown.SHUTDOWN, if_out=False)
        timer = threading.Timer(grace, self._set_all_down)
        timer.daemon = True
        timer.start()

    def _set_all_down(self) -> None:
        for flight in self._all():
            flight.set_down(SetDown.SHUTDOWN)

    def _all(self) -> list[Flight]:
        with self._lock:
            return list(self._flights)
