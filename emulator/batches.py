"""Batches of requests: sent together, answered later, at half the price; each provider's words for them stand apart.

A request of a batch goes the way of any other request, from its bytes to its row on the bill, whose tag is its
`custom_id`. Batches are kept in memory, and seen only by the API key that sent them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Message

from emulator.draws import generator
from emulator.endpoint import TAG_HEADER, Emulator, Endpoint
from emulator.wire import Json, Wire

AT_ONCE = 50
WINDOW = timedelta(hours=24)
BROKEN = 500
"""The status of a request that a fault left without an answer."""


class Ending(StrEnum):
    """How one request of a batch ended; in Anthropic's words."""

    SUCCEEDED = "succeeded"
    ERRORED = "errored"
    CANCELED = "canceled"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One request of a batch, under the name that its sender gave it."""

    custom_id: str
    body: Json


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a request: the `status` and `body` of its answer, unless no model came to it."""

    custom_id: str
    ending: Ending
    request_id: str = ""
    status: int = 0
    body: Json = None


@dataclass(slots=True)
class Batch:
    """A batch on its way, sent with `headers`; `about` is what its provider tells of it besides."""

    id: str
    key: str
    headers: Mapping[str, str]
    wanted: tuple[Wanted, ...]
    about: dict[str, Json] = field(default_factory=dict)
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    cancelled_at: datetime | None = None
    ended_at: datetime | None = None
    results: list[Result] = field(default_factory=list)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def expires_at(self) -> datetime:
        """When its time runs out."""
        return self.created_at + WINDOW

    def count(self, *endings: Ending) -> int:
        """How many of its requests ended so."""
        return sum(result.ending in endings for result in self.results)

    def cancel(self) -> None:
        """Answer no more of them; what is answered is paid for."""
        if self.ended_at is None and self.cancelled_at is None:
            self.cancelled_at = datetime.now(UTC)
            self.cancelled.set()


class Batches:
    """The batches of one provider."""

    def __init__(self, emulator: Emulator, wire: Wire) -> None:
        self._emulator = emulator
        self._wire = wire
        self._endpoint = Endpoint(wire, emulator, of_a_batch=True)
        self._sent: dict[str, Batch] = {}
        self._running: set[asyncio.Task[None]] = set()

    def keep(self, batch: Batch) -> None:
        """Show it to who asks for it."""
        self._sent[batch.id] = batch

    def send(self, batch: Batch) -> None:
        """Take it on; it ends in its time."""
        self.keep(batch)
        task = asyncio.create_task(self._run(batch))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def find(self, id_: str, key: str) -> Batch | None:
        """The batch of that id, if `key` sent it."""
        batch = self._sent.get(id_)
        return batch if batch is not None and batch.key == key else None

    def all_of(self, key: str) -> list[Batch]:
        """All that `key` has sent, the latest first."""
        return [batch for batch in reversed(self._sent.values()) if batch.key == key]

    async def _run(self, batch: Batch) -> None:
        settings = self._emulator.settings
        with suppress(TimeoutError):
            await asyncio.wait_for(batch.cancelled.wait(), settings.scenario.batches.seconds * settings.time_scale)
        for start in range(0, len(batch.wanted), AT_ONCE):
            together = batch.wanted[start : start + AT_ONCE]
            batch.results += await asyncio.gather(*(self._end(batch, wanted) for wanted in together))
        batch.ended_at = datetime.now(UTC)

    async def _end(self, batch: Batch, wanted: Wanted) -> Result:
        if batch.cancelled.is_set():
            return Result(wanted.custom_id, Ending.CANCELED)
        text = json.dumps(wanted.body)
        settings = self._emulator.settings
        if generator(settings.seed, "expired", text).random() < settings.scenario.batches.expired:
            return Result(wanted.custom_id, Ending.EXPIRED)
        return await self._ask(batch, wanted.custom_id, text.encode())

    async def _ask(self, batch: Batch, custom_id: str, body: bytes) -> Result:
        headers = {**batch.headers, TAG_HEADER: custom_id}
        response = await self._endpoint.respond(_request(headers, body))
        if not isinstance(response, JSONResponse):
            error = self._wire.failure(BROKEN, "")
            return Result(custom_id, Ending.ERRORED, "", BROKEN, self._wire.write_error(error, ""))
        ending = Ending.SUCCEEDED if response.status_code < 300 else Ending.ERRORED
        request_id = response.headers.get("x-request-id") or response.headers.get("request-id") or ""
        return Result(custom_id, ending, request_id, response.status_code, json.loads(bytes(response.body)))


def _request(headers: dict[str, str], body: bytes) -> Request:
    """A request that nobody hangs up."""
    told = False

    async def receive() -> Message:
        nonlocal told
        if told:
            await asyncio.Event().wait()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": raw}, receive)


def write_lines(lines: Iterable[Json]) -> bytes:
    """As JSONL."""
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)
