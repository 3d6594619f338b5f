"""Anthropic's message batches: the requests go up in one body, their results come down as lines.

Facts: https://platform.claude.com/docs/en/build-with-claude/batch-processing, and the types of the official SDK (2.13).
A batch there has no place for a key of ours; its requests have, in their custom ids, which its results show.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import IO, Any, ClassVar

import httpx
from pydantic import BaseModel, JsonValue

from mirepoix.config import ANTHROPIC_WITHOUT_SAMPLING
from mirepoix.errors import ProviderError
from mirepoix.states import ErrorKind
from tasks.providers.anthropic_reply import read_reply
from tasks.providers.base import Completion
from tasks.providers.batches import BatchApi, SentBatch, ShownBatch, unanswered
from tasks.providers.http import Answer, Endpoint
from tasks.providers.trouble import bad_answer, error_in_answer, validated

OK = 200
THE_FIRST = 64_000
"""Bytes in which the custom id of the first result stands."""
NOT_YET = 60.0


class Counts(BaseModel):
    """How many requests of a batch are where."""

    processing: int
    succeeded: int
    errored: int
    canceled: int
    expired: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.processing + self.succeeded + self.errored + self.canceled + self.expired


class Shown(ShownBatch):
    """A batch."""

    processing_status: str
    request_counts: Counts


class Result(BaseModel):
    """What became of a request."""

    type: str
    message: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


class Line(BaseModel):
    """A line of results."""

    custom_id: str
    result: Result


class AnthropicBatches(BatchApi):
    """POST {base_url}/messages/batches, GET the batch, GET its results."""

    at: ClassVar[str] = "/messages/batches"
    cursor: ClassVar[str] = "after_id"

    def __init__(self, endpoint: Endpoint, headers: dict[str, str], version: str | None) -> None:
        super().__init__(endpoint, {"anthropic-version": version or ANTHROPIC_WITHOUT_SAMPLING} | headers)

    def line(self, custom_id: str, body: dict[str, JsonValue]) -> bytes:
        """An item of the list that is sent."""
        return json.dumps({"custom_id": custom_id, "params": body}).encode() + b"\n"

    async def find(self, key: str, requests: int, since: datetime) -> str | None:
        """Looks at the results of each batch of that size and time; waits for those that may be ours and have none."""
        async for batch in self._listed(Shown, since):
            if batch.request_counts.total == requests and await self._is_ours(batch, key):
                return batch.id
        return None

    async def _is_ours(self, batch: Shown, key: str) -> bool:
        if batch.processing_status != "ended":
            message = "a batch that may be the one that was sent before is not answered yet"
            raise ProviderError(message, kind=ErrorKind.UNKNOWN, retryable=True, wait=NOT_YET)
        first = await self._endpoint.head(f"{self._path(batch.id)}/results", self._headers, THE_FIRST)
        return f'"{key}-'.encode() in first

    async def send(self, key: str, lines: IO[bytes]) -> str:
        """Send all of it at once."""
        answer = await self._endpoint.upload(self.at, self._headers, _body(lines), "application/json")
        return validated(Shown, answer.data, answer.status).id

    async def look(self, remote_id: str) -> SentBatch:
        """How it stands."""
        status = (await self._shown(Shown, remote_id)).processing_status
        ended = status == "ended"
        return SentBatch(ended, status == "canceling", (f"{self._path(remote_id)}/results",) if ended else ())

    def completion(self, result: dict[str, Any], body: dict[str, JsonValue]) -> Completion:
        """The answer, unless it is an error or never came."""
        ended, headers = validated(Line, result, None).result, httpx.Headers()
        if ended.type == "succeeded" and ended.message is not None:
            return read_reply(ended.message, body["messages"], Answer(ended.message, OK, headers))
        if ended.type == "errored" and ended.error is not None:
            raise error_in_answer(ended.error, OK, headers) or bad_answer("an error that says nothing", OK)
        raise unanswered(f"the batch ended before it was the turn of this request ({ended.type[:20]})")


async def _body(lines: IO[bytes]) -> AsyncIterator[bytes]:
    """The list of requests, without ever holding all of it."""
    start = b'{"requests": ['
    while line := lines.readline():
        yield start + line
        start = b","
    yield b"]}"
