"""Wake the producers that wait for a job. A wake-up is only a hint: whoever waits looks into the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import redis

from mirepoix.pieces import text_channel

SOCKET_TIMEOUT = 5.0
BLIND_INTERVAL = 0.25
ENDED = "mirepoix.done."


def channel(job_id: str) -> str:
    """The pub/sub channel on which the end of a job is announced."""
    return ENDED + job_id


def connect(redis_url: str) -> redis.Redis:
    """A client for hints: it fails fast rather than hold anyone up."""
    url = redis_url.replace("redis+socket://", "unix://", 1)
    client: redis.Redis = redis.Redis.from_url(url, socket_timeout=SOCKET_TIMEOUT, socket_connect_timeout=2)
    return client


def announce(client: redis.Redis, job_id: str) -> None:
    """Tell whoever waits for `job_id` that it has ended; a hint that cannot be sent is not missed."""
    with suppress(redis.RedisError, OSError):
        client.publish(channel(job_id), b"")


class Ear:
    """Listens for the end of jobs, and for their answers on the way; deaf, not broken, while the Redis does not answer.

    It may listen to one lot of jobs after the other, which spares each of them a connection of its own.
    """

    def __init__(self, redis_url: str) -> None:
        self._client = connect(redis_url)
        self._pubsub = self._client.pubsub()
        self._channels: list[str] = []
        self.deaf = False

    def listen_for(self, job_ids: Sequence[str], *, with_text: bool = False) -> None:
        """Hear from now on of `job_ids`, and `with_text` what is told of their answers."""
        self._channels = sorted({channel(job_id) for job_id in job_ids})
        if with_text:
            self._channels += [text_channel(job_id) for job_id in job_ids]
        self._switch(self._pubsub.subscribe)

    def rest(self) -> None:
        """Hear of nobody."""
        self._switch(self._pubsub.unsubscribe)
        self._channels = []

    def listen(self, seconds: float) -> bytes:
        """Return when something was told, or after `seconds` at the latest (sooner when deaf).

        What is returned is what was told of an answer, and empty for everything else.
        """
        told = self._next(seconds)
        return b"" if told is None else bytes(told["data"])

    def ended(self, seconds: float) -> set[str]:
        """Return when jobs were told to have ended, which ones; empty when none was within `seconds` (or when deaf)."""
        job_ids: set[str] = set()
        told = self._next(seconds)
        while told is not None:
            job_ids.add(told["channel"].decode().removeprefix(ENDED))
            told = self._next(0)
        return job_ids

    def _next(self, seconds: float) -> dict[str, Any] | None:
        """The next thing that is told."""
        if self.deaf:
            time.sleep(min(seconds, BLIND_INTERVAL))
            return None
        try:
            told: dict[str, Any] | None = self._pubsub.get_message(timeout=seconds)
        except (redis.RedisError, OSError):
            self.deaf = True
            return None
        return told if told is not None and told["type"] == "message" else None

    def _switch(self, subscribe_or_not: Callable[..., Any]) -> None:
        """Tell the Redis, and wait until it has heard of all channels: what is told from then on is not missed."""
        left = len(self._channels)
        try:
            subscribe_or_not(*self._channels)
            while left:
                heard = self._pubsub.get_message(timeout=SOCKET_TIMEOUT)
                if heard is None:
                    self.deaf = True
                    return
                left -= heard["type"] != "message"
        except (redis.RedisError, OSError):
            self.deaf = True

    def close(self) -> None:
        """Give the connection back."""
        with suppress(redis.RedisError, OSError):
            self._pubsub.close()
            self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
