"""Configurations, a clock that is turned by hand, and the sums that must hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import redis

from mirepoix.config import Api, Breaker, Config, Limits, Model, Provider
from tasks.limits import Admission, Gatekeeper, Refusal

NO_LIMITS = Limits()


def config(provider: Limits = NO_LIMITS, model: Limits = NO_LIMITS, breaker: Breaker | None = None) -> Config:
    """One provider with two models: `gpt` with limits of its own, `mini` without."""
    return Config(
        providers={"openai": Provider(api=Api.OPENAI, limits=provider, breaker=breaker or Breaker())},
        models={"gpt": Model(provider="openai", limits=model), "mini": Model(provider="openai")},
    )


class Clock:
    """What the scripts take for the time when they are given its `source`."""

    source = "local function clock() return tonumber(redis.call('GET', 'test:clock')) end\n"

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self.now_ms = 1_800_000_000_123
        self.turn(0)

    def turn(self, seconds: float) -> None:
        """Let time pass (or, below 0, set the clock back)."""
        self.now_ms += round(seconds * 1000)
        self._client.set("test:clock", self.now_ms)


def gatekeeper(client: redis.Redis, settings: Config, clock: Clock, worker: str = "w1") -> Gatekeeper:
    """One that lives by `clock`."""
    return Gatekeeper(client, settings, worker, clock=clock.source)


def admitted(answer: Admission | Refusal) -> Admission:
    """The admission that `answer` has to be."""
    assert isinstance(answer, Admission), answer
    return answer


def refused(answer: Admission | Refusal) -> Refusal:
    """The refusal that `answer` has to be."""
    assert isinstance(answer, Refusal), answer
    return answer


@dataclass(frozen=True, slots=True)
class Counted:
    """A call that was admitted: on Redis' clock (ms), between two moments (s) of its caller's, for `amount`."""

    at_ms: int
    asked: float
    answered: float
    amount: int


def most_in_any_window(calls: Sequence[Counted], window: float) -> int:
    """The largest sum of amounts within `window` seconds, both ends included, on Redis' clock."""
    ordered = sorted(calls, key=lambda call: call.at_ms)
    most = total = first = 0
    for call in ordered:
        total += call.amount
        while ordered[first].at_ms < call.at_ms - round(window * 1000):
            total -= ordered[first].amount
            first += 1
        most = max(most, total)
    return most


def most_seen_in_any_window(calls: Sequence[Counted], window: float) -> int:
    """The largest sum that the callers' clocks prove: asked for and answered within `window` seconds."""
    return max(
        sum(call.amount for call in calls if call.asked >= first.asked and call.answered <= first.asked + window)
        for first in calls
    )
