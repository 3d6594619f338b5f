"""Answers that flow: bit by bit, each at its time, until they end, break off, or the client goes away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from emulator.resets import FLUSH_SECONDS, reset

AT_ONCE = 0.002  # waits shorter than this are not worth a turn of the loop
FULL = 65_536

Close = Callable[[bool, int], Awaitable[None]]
"""Called once before the last bytes leave: whether the client is gone, and how many parts were sent."""


@dataclass(frozen=True, slots=True)
class Course:
    """What flows: `parts`, each with the second after which it leaves, then `last`; or a reset after the parts.

    Nothing is made before it is due.

    `length` is of all bytes, where it is known before they are made.
    """

    parts: Iterator[tuple[float, bytes]]
    last: Callable[[], bytes] = bytes
    breaks_off: bool = False
    length: int | None = None
    media_type: str = "application/json"


class Flow(Response):
    """The answer that takes this course."""

    def __init__(self, course: Course, close: Close, *, headers: Mapping[str, str], media_type: str) -> None:
        super().__init__(None, headers=headers, media_type=media_type)
        del self.headers["content-length"]
        if course.length is not None:
            self.headers["content-length"] = str(course.length)
        self._course = course
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        gone = asyncio.create_task(_client_gone(receive))
        river = _River(send, gone, {"status": self.status_code, "headers": self.raw_headers})
        try:
            await river.send(self._course.parts)
            await self._close(gone.done(), river.sent)
            if gone.done():
                return
            if self._course.breaks_off:
                await river.flush()
                await asyncio.sleep(FLUSH_SECONDS)  # a reset throws away what has not left yet
                reset(scope)
                await gone  # until the server knows, it would answer in our place
            else:
                await river.end(self._course.last())
        finally:
            gone.cancel()


class _River:
    """Sends what is due, in as few writes as its times allow."""

    def __init__(self, send: Send, gone: asyncio.Task[None], head: Mapping[str, object]) -> None:
        self._send = send
        self._gone = gone
        self._head: Mapping[str, object] | None = head
        self._held = bytearray()
        self.sent = 0

    async def send(self, parts: Iterator[tuple[float, bytes]]) -> None:
        """Send `parts` as they fall due; the last ones are held back, for there is more to come."""
        started = time.monotonic()
        for due, part in parts:
            wait = started + due - time.monotonic()
            if wait > AT_ONCE or len(self._held) >= FULL:
                if self._held:
                    await self.flush()
                await asyncio.wait([self._gone], timeout=max(wait, 0))
                if self._gone.done():
                    return
            self._held += part
            self.sent += 1

    async def flush(self) -> None:
        await self._write(more=True)

    async def end(self, last: bytes) -> None:
        self._held += last
        await self._write(more=False)

    async def _write(self, *, more: bool) -> None:
        if self._head is not None:
            await self._send({"type": "http.response.start", **self._head})
            self._head = None
        data, self._held = bytes(self._held), bytearray()
        await self._send({"type": "http.response.body", "body": data, "more_body": more})


async def _client_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
