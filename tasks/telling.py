"""Tell an answer while it comes to whoever listens: small messages, seldom, and never at the cost of the answer."""

from __future__ import annotations

import asyncio
import queue
import threading
import time

import redis
import structlog

from mirepoix.pieces import Told, text_channel

GATHER = 0.04
"""Seconds for which pieces are gathered: some 25 messages a second look like a flow to a reader."""
MOST_IN_MESSAGE = 16_000
MOST_TOLD = 1_000_000
"""Characters of one answer; the rest comes at the end, from the ledger."""
MOST_WAITING = 1_000
QUIET = 1.0

log = structlog.get_logger("mirepoix")


class Teller:
    """One thread that publishes for all calls of a process; what it cannot publish is dropped."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._waiting: queue.Queue[tuple[str, bytes]] = queue.Queue(MOST_WAITING)
        threading.Thread(target=self._publish, name="mirepoix-teller", daemon=True).start()

    def offer(self, channel: str, message: bytes) -> None:
        """Hand a message over; never waits."""
        try:
            self._waiting.put_nowait((channel, message))
        except queue.Full:
            return

    def _publish(self) -> None:
        while True:
            channel, message = self._waiting.get()
            try:
                self._client.publish(channel, message)
            except (redis.RedisError, OSError) as error:
                log.warning("pieces of answers are not told", reason=type(error).__name__)
                time.sleep(QUIET)


class Telling:
    """The answer of one attempt: gathers its pieces and offers them in order."""

    def __init__(self, teller: Teller, job_id: str, attempt_id: int) -> None:
        self._teller = teller
        self._channel = text_channel(job_id)
        self._run = attempt_id
        self._lock = threading.Lock()
        self._gathered: list[str] = []
        self._size = 0
        self._at = 0
        self._due = False
        self._offer("")

    def add(self, text: str) -> None:
        """Take a piece; called on the event loop."""
        with self._lock:
            if self._at + self._size >= MOST_TOLD:
                return
            text = text[: MOST_TOLD - self._at - self._size]
            self._gathered.append(text)
            self._size += len(text)
            due, self._due = self._due, True
        if not due:
            asyncio.get_running_loop().call_later(GATHER, self.flush)

    def flush(self) -> None:
        """Offer what has been gathered."""
        with self._lock:
            text = "".join(self._gathered)
            self._gathered, self._size, self._due = [], 0, False
            for start in range(0, len(text), MOST_IN_MESSAGE):
                self._offer(text[start : start + MOST_IN_MESSAGE])

    def _offer(self, text: str) -> None:
        """An empty text says that a new attempt begins."""
        self._teller.offer(self._channel, Told(run=self._run, at=self._at, text=text).encode())
        self._at += len(text)
