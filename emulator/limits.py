"""Rate limits: for each API key and model, requests and tokens by the minute, and requests at once.

A limit by the minute is a bucket that fills continuously, as the providers describe theirs. A request is admitted with
its prompt and all the tokens that it may answer; Anthropic gives back those that it did not, OpenAI does not, and
Gemini counts the prompt only. A refused request takes nothing, so that the wait it is told is exact.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from emulator.profiles import WireApi
from mirepoix.config import Limits

MINUTE = 60.0
GIVE_BACK: frozenset[WireApi] = frozenset({"anthropic"})
INPUT_ONLY: frozenset[WireApi] = frozenset({"gemini"})

Unit = Literal["requests", "tokens", "concurrency"]


@dataclass(frozen=True, slots=True)
class Level:
    """How full a bucket is: `remaining` of `limit`, and full again in `reset` seconds."""

    unit: Unit
    limit: int
    remaining: int
    reset: float


@dataclass(frozen=True, slots=True)
class Excess:
    """Why a request is not admitted: it asks for `requested` of `unit` beyond `limit`.

    After `wait` seconds it would be, were it alone; None where nobody knows (concurrency), or never (too large).
    """

    unit: Unit
    limit: int
    used: int
    requested: int
    wait: float | None


class RateLimiter:
    """The limits of each provider, and what each key has used of them."""

    def __init__(self, limits: Mapping[WireApi, Limits], clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._accounts: dict[tuple[str, str], _Account] = {}

    def limit(self, api: WireApi) -> Limits | None:
        """What is set for this provider."""
        return self._limits.get(api)

    def admit(self, api: WireApi, key: str, model: str, tokens: int) -> Admission:
        """Let a request of at most `tokens` in, or say in `excess` why not. An admitted one must be released."""
        account = self._accounts.get((key, model))
        if account is None:
            account = self._accounts[key, model] = _Account(self._limits[api], self._clock)
        return Admission(account, account.take(tokens), tokens, gives_back=api in GIVE_BACK)


@dataclass(slots=True)
class Admission:
    """A request that was let in, or with `excess` was not."""

    _account: _Account
    excess: Excess | None
    tokens: int
    gives_back: bool

    def levels(self) -> list[Level]:
        """The buckets as they are now."""
        return self._account.levels()

    def settle(self, tokens: int) -> None:
        """The request took `tokens` in the end."""
        if self.gives_back and tokens < self.tokens:
            self._account.give_back(self.tokens - tokens)

    def release(self) -> None:
        """The request is answered."""
        if self.excess is None:
            self._account.in_flight -= 1


class _Bucket:
    def __init__(self, unit: Unit, limit: int, now: float) -> None:
        self.unit = unit
        self.limit = limit
        self._level = float(limit)
        self._at = now

    def fill(self, now: float) -> float:
        """The level now."""
        self._level = min(float(self.limit), self._level + (now - self._at) * self.limit / MINUTE)
        self._at = now
        return self._level

    def take(self, amount: int) -> None:
        self._level -= amount

    def lack(self, amount: int, now: float) -> Excess | None:
        """Why `amount` cannot be taken now; None if it can."""
        level = self.fill(now)
        if amount <= level:
            return None
        wait = None if amount > self.limit else (amount - level) * MINUTE / self.limit
        return Excess(self.unit, self.limit, math.ceil(self.limit - level), amount, wait)

    def show(self, now: float) -> Level:
        level = self.fill(now)
        return Level(self.unit, self.limit, max(0, math.floor(level)), (self.limit - level) * MINUTE / self.limit)


class _Account:
    """What one key has used of one model."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._concurrency = limits.concurrency
        self._requests = _Bucket("requests", limits.rpm, clock()) if limits.rpm else None
        self._tokens = _Bucket("tokens", limits.tpm, clock()) if limits.tpm else None
        self.in_flight = 0

    def take(self, tokens: int) -> Excess | None:
        """Take a request of `tokens`, or nothing and say why."""
        wanted = [(bucket, amount) for bucket, amount in ((self._requests, 1), (self._tokens, tokens)) if bucket]
        if self._concurrency is not None and self.in_flight >= self._concurrency:
            return Excess("concurrency", self._concurrency, self.in_flight, 1, None)
        now = self._clock()
        lacking = [lack for bucket, amount in wanted if (lack := bucket.lack(amount, now))]
        if lacking:
            return max(lacking, key=lambda lack: math.inf if lack.wait is None else lack.wait)
        for bucket, amount in wanted:
            bucket.take(amount)
        self.in_flight += 1
        return None

    def give_back(self, tokens: int) -> None:
        if self._tokens is not None:
            self._tokens.take(-tokens)

    def levels(self) -> list[Level]:
        now = self._clock()
        return [bucket.show(now) for bucket in (self._requests, self._tokens) if bucket is not None]
