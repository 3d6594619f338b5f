"""Threads, in this process or elsewhere, that call as often as they are let."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from mirepoix.config import Config
from tasks.limits import Admission, Gatekeeper, connect_limits
from tests.tasks.limits.setting import Counted

ESTIMATE = 100


def hammer(url: str, settings: Config, worker: str, threads: int, seconds: float, window: float) -> list[Counted]:
    """What `threads` got admitted in `seconds`; each call uses some of the 100 tokens that it was estimated at."""
    client = connect_limits(url)
    gatekeeper = Gatekeeper(client, settings, worker, window=window)
    calls: list[Counted] = []
    deadline = time.monotonic() + seconds

    def run(seed: int) -> None:
        dice = random.Random(seed)
        while (asked := time.monotonic()) < deadline:
            answer = gatekeeper.admit("gpt", ESTIMATE)
            if not isinstance(answer, Admission):
                time.sleep(min(answer.wait, max(0.0, deadline - time.monotonic())))
                continue
            used = dice.randint(1, ESTIMATE)
            calls.append(Counted(answer.at_ms, asked, time.monotonic(), used))
            gatekeeper.settle(answer, used, failed=False)

    in_threads(threads, run)
    client.close()
    return calls


def in_threads(count: int, run: Callable[[int], None]) -> None:
    """Run `run(number)` in `count` threads to their end."""
    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
