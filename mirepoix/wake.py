"""Wake the producers that wait for a job. A wake-up is only a hint: whoever waits looks into the ledger."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

import redis

SOCKET_TIMEOUT = 5.0
BLIND_INTERVAL = 0.25


def channel(job_id: str) -> str:
    """The pub/sub channel on which the end of a job is announced."""
    return f"mirepoix.done.{job_id}"


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
    """Listens for the end of some jobs; deaf, not broken, while the Redis does not answer."""

    def __init__(self, redis_url: str, job_ids: Sequence[str]) -> None:
        self._client = connect(redis_url)
        self._pubsub = self._client.pubsub(ignore_subscribe_messages=True)
        self._deaf = False
        try:
            self._pubsub.subscribe(*(channel(job_id) for job_id in job_ids))
            for _ in job_ids:
                self._pubsub.get_message(timeout=SOCKET_TIMEOUT)
        except (redis.RedisError, OSError):
            self._deaf = True

    def listen(self, seconds: float) -> None:
        """Return when one of the jobs ended, or after `seconds` at the latest (sooner when deaf)."""
        if self._deaf:
            time.sleep(min(seconds, BLIND_INTERVAL))
            return
        try:
            self._pubsub.get_message(timeout=seconds)
        except (redis.RedisError, OSError):
            self._deaf = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(redis.RedisError, OSError):
            self._pubsub.close()
            self._client.close()
