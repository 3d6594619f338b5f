"""Wait for jobs on the event loop: thousands of listeners, no thread each.

As everywhere, what is heard is a hint; the ledger says when a job has ended.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from types import TracebackType
from typing import Self

import redis
from anyio import from_thread
from redis.asyncio import Redis
from starlette.concurrency import run_in_threadpool

from mirepoix.client import Client, Handle
from mirepoix.pieces import Listening, Piece, decode, text_channel
from mirepoix.views import JobView
from mirepoix.wake import SOCKET_TIMEOUT, channel

LOOK = 1.0
"""Seconds after which a listener looks into the ledger if it hears nothing."""
DEAF_LOOK = 0.25


class AsyncEar:
    """Listens for one job; deaf, not broken, while the Redis does not answer."""

    def __init__(self, redis_url: str, *, with_text: bool) -> None:
        url = redis_url.replace("redis+socket://", "unix://", 1)
        self._client: Redis = Redis.from_url(url, socket_timeout=SOCKET_TIMEOUT, socket_connect_timeout=2)
        self._pubsub = self._client.pubsub()
        self._with_text = with_text
        self._deaf = True

    async def attend(self, job_id: str) -> None:
        """Hear of `job_id` from the moment this returns."""
        channels = [channel(job_id), *([text_channel(job_id)] if self._with_text else [])]
        with suppress(redis.RedisError, OSError):
            await self._pubsub.subscribe(*channels)
            for _ in channels:
                await self._pubsub.get_message(timeout=SOCKET_TIMEOUT)
            self._deaf = False

    def attend_from_thread(self, job_id: str) -> None:
        """The same, called in a worker thread of the event loop."""
        from_thread.run(self.attend, job_id)

    async def listen(self, seconds: float) -> bytes:
        """What was told of the answer, as soon as something was told; empty for everything else, and for nothing."""
        if self._deaf:
            await asyncio.sleep(min(seconds, DEAF_LOOK))
            return b""
        try:
            message = await self._pubsub.get_message(ignore_subscribe_messages=True, timeout=seconds)
        except (redis.RedisError, OSError):
            self._deaf = True
            return b""
        return bytes(message["data"]) if message is not None else b""

    async def aclose(self) -> None:
        """Give the connection back."""
        with suppress(redis.RedisError, OSError):
            await self._pubsub.aclose()
            await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


async def ended(client: Client, job_id: str) -> JobView | None:
    """The job, if it has ended."""
    found = await run_in_threadpool(client.ended, [job_id])
    return found[0] if found else None


async def follow(client: Client, job_id: str, ear: AsyncEar) -> AsyncIterator[Piece | JobView | None]:
    """The answer's pieces as they come, None now and then where nothing does, and at last the job as it ended.

    As `Handle.stream`, what was not heard comes before the end in one piece.
    """
    listening, heard, looked = Listening(), b"", 0.0
    while True:
        if not heard or time.monotonic() - looked > LOOK:
            looked = time.monotonic()
            view = await ended(client, job_id)
            if view is not None and not heard:
                break
        heard = await ear.listen(LOOK)
        told = decode(heard) if heard else None
        piece = listening.hear(told) if told is not None else None
        if piece is not None:
            yield piece
        elif not heard:
            yield None
    if view.error is None and view.output is not None:
        for piece in listening.end(view.output):
            yield piece
    yield view


async def cancelled_unless_ended(handle: Handle) -> None:
    """Give up a job that nobody waits for any more."""
    await run_in_threadpool(handle.cancel)
