"""A worker that is told to stop sets down what waits, and nothing that is out."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.flights import Flights, GivenUp, SetDown
from tasks.loop import Loop

CALLS, ROUNDS = 32, 40


@pytest.fixture
def _hasty() -> Iterator[None]:
    """Threads take turns in the midst of everything."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_hasty")
def test_a_request_that_leaves_while_the_worker_is_told_to_stop_is_not_cut_off() -> None:
    loop, cut, why = Loop(), list[int](), list[SetDown]()

    async def request(number: int) -> None:
        try:
            await asyncio.sleep(0.02)
        except asyncio.CancelledError:
            cut.append(number)
            raise

    def call(flights: Flights, ready: threading.Barrier, number: int) -> None:
        try:
            with flights.begin("job", f"step {number}") as flight:
                ready.wait()
                flight.send(request(number), timeout=10)
        except GivenUp as given_up:
            why.append(given_up.why)

    with ThreadPoolExecutor(CALLS) as threads:
        for _ in range(ROUNDS):
            flights, ready = Flights(loop), threading.Barrier(CALLS + 1)
            calls = [threads.submit(call, flights, ready, number) for number in range(CALLS)]
            ready.wait()
            flights.close(grace=60)
            for one in calls:
                one.result()
    assert cut == [], "each is billed, and would be asked again"
    assert set(why) == {SetDown.SHUTDOWN}, "some were still on the ground, or this tells nothing"
