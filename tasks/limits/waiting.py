"""Wait for leave without burning CPU."""

from __future__ import annotations

import threading
import time

from tasks.limits.admission import Admission, Refusal
from tasks.limits.gatekeeper import Gatekeeper

GROWTH = 1.5
LONGEST_POLL = 0.5


def wait_for_admission(
    gatekeeper: Gatekeeper, model: str, tokens: int, stop: threading.Event, most: float
) -> Admission | Refusal:
    """Ask until one call of `model` that may use `tokens` is admitted.

    Returns the last refusal when `stop` is set, or when the wait would last longer than `most` seconds in all. Short
    waits grow up to half a second, so that hundreds of threads that wait for a place ask some hundred times a second,
    not thousands. Raises LimitsUnavailable.
    """
    deadline = time.monotonic() + most
    growth = 1.0
    while True:
        answer = gatekeeper.admit(model, tokens)
        if isinstance(answer, Admission):
            return answer
        wait = max(answer.wait, min(answer.wait * growth, LONGEST_POLL))
        if time.monotonic() + wait > deadline or stop.wait(wait):
            return answer
        growth *= GROWTH
