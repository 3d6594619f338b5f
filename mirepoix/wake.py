"""Wake the producers that wait for a job. A wake-up is only a hint: whoever waits looks into the ledger."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

import redis

from mirepoix.pieces import text_channel

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
    """Listens for the end of some jobs, and `with_text` for their answers on the way; deaf, not broken, while the Redis
    does not answer.
    """

    def __init__(self, redis_url: str, job_ids: Sequence[str], *, with_text: bool = False) -> None:
        self._client = connect(redis_url)
        self._pubsub = self._client.pubsub(ignore_subscribe_messages=True)
        self._deaf = False
        channels = [channel(job_id) for job_id in job_ids]
        if with_text:
            channels += [text_channel(job_id) for job_id in job_ids]
        try:
            self._pubsub.subscribe(*channels)
            for _ in channels:
                self._pubsub.get_message(timeout=SOCKET_TIMEOUT)
        except (redis.RedisError, OSError):
            self._deaf = True

    def listen(self, seconds: float) -> bytes:
        """Return when something was told, or after `seconds` at the latest (sooner when deaf).

        What is returned is what was told of an answer, and empty for everything else.
        """
        if self._deaf:
            time.sleep(min(seconds, BLIND_INTERVAL))
            return b""
        try:
            message = self._pubsub.get_message(timeout=seconds)
        except (redis.RedisError, OSError):
            self._deaf = True
            return b""
        return bytes(message["data"]) if message is not None else b""

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
