"""POST JSON to a provider, and read its answer or its stream of events within bounds.

httpx runs over aiohttp's connector: with hundreds of calls in flight its own pool spends more CPU on looking through
idle connections than on the calls.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from mirepoix.errors import ProviderError
from mirepoix.spans import outgoing
from mirepoix.states import ErrorKind
from tasks.loop import Loop
from tasks.providers.events import EventReader
from tasks.providers.trouble import bad_answer, error_in_answer, parse_json, refusal

MAX_ANSWER_BYTES = 16_000_000
MAX_STREAM_BYTES = 64_000_000
"""A stream frames each token with some 300 bytes, which are read and thrown away."""
MAX_ERROR_BYTES = 64_000
MAX_FILE_BYTES = 4_000_000_000
"""The results of a batch: 100,000 answers of 40 KB."""
LONG_TRANSFER = 1800.0
"""Seconds that a file may take on its way."""
FAREWELL = 0.05
"""Seconds to wait for a stream's line to end after its last event, so that the connection can be used again."""
NO_SECRET = "\0"
MANY_CONNECTIONS = httpx.Limits(max_connections=10_000, max_keepalive_connections=10_000, keepalive_expiry=30)
UNPACKED = "identity"
"""A packed answer may be a thousand times as large as what is read; model answers are small, so none is asked for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx answer: its JSON object (None where it came as events), status and headers."""

    data: dict[str, Any] | None
    status: int
    headers: httpx.Headers


TakeEvent = Callable[[dict[str, Any]], bool]
"""Takes the JSON of one event; returns whether it was the last one."""


class Endpoint:
    """An address with its time-outs (seconds) and its connection pool.

    `secret` is the key that goes with the requests; where an answer repeats it, it is starred out. `headers` go with
    every request.
    """

    def __init__(
        self,
        loop: Loop,
        base_url: str,
        *,
        timeout: float,
        connect_timeout: float,
        secret: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.base_url = base_url
        self._secret = (secret or NO_SECRET).encode()
        self._timeout = timeout
        self._headers = {"accept-encoding": UNPACKED, "content-type": "application/json", **(headers or {})}
        self._client = loop.run(_open_client(timeout, connect_timeout))

    async def post(self, path: str, headers: dict[str, str], body: object) -> Answer:
        """Send `body` and wait; raises ProviderError for everything but a 2xx with a JSON object."""
        async with self._sent(path, headers, body) as response:
            return await self._read_answer(response)

    async def get(self, path: str, headers: dict[str, str]) -> Answer:
        """Ask for a JSON object; raises ProviderError."""
        async with self._answered("GET", path, headers) as response:
            return await self._read_answer(response)

    async def upload(self, path: str, headers: dict[str, str], content: AsyncIterator[bytes], form: str) -> Answer:
        """Send `content`, which says its own `form` (its content type), as it is read. Raises ProviderError."""
        sent = headers | {"content-type": form}
        async with self._answered("POST", path, sent, content, timeout=LONG_TRANSFER) as response:
            return await self._read_answer(response)

    async def download(self, path: str, headers: dict[str, str], into: IO[bytes]) -> None:
        """Write what stands there to `into`, as it comes. Raises ProviderError, also beyond `MAX_FILE_BYTES`."""
        async with self._answered("GET", path, headers, timeout=LONG_TRANSFER) as response:
            size = 0
            async for part in response.aiter_raw():
                size += len(part)
                if size > MAX_FILE_BYTES:
                    raise too_large(MAX_FILE_BYTES, response.status_code)
                into.write(part)

    async def head(self, path: str, headers: dict[str, str], most: int) -> bytes:
        """The first bytes of what stands there, at least `most` of them where there are as many."""
        async with self._answered("GET", path, headers) as response:
            return await _read(response, most, cut=True)

    def starred(self, text: bytes) -> bytes:
        """`text` without the key that goes with the requests."""
        return text.replace(self._secret, b"***")

    async def stream(self, path: str, headers: dict[str, str], body: object, take: TakeEvent) -> Answer:
        """Send `body` and hand each event to `take` until it says that it was the last, or the line ends.

        Whether an answer that just ends is complete is for the caller to know. A server that does not stream is read as
        by `post`. Raises ProviderError.
        """
        async with self._sent(path, headers, body) as response:
            if response.headers.get("content-type", "").startswith("application/json"):
                return await self._read_answer(response)
            await self._take_events(response, take)
            return Answer(None, response.status_code, response.headers)

    def _sent(self, path: str, headers: dict[str, str], body: object) -> AbstractAsyncContextManager[httpx.Response]:
        """The 2xx answer to `body`, not read yet."""
        return self._answered("POST", path, headers, json.dumps(body).encode())

    @asynccontextmanager
    async def _answered(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        content: bytes | AsyncIterator[bytes] | None = None,
        *,
        timeout: float | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """The 2xx answer of an address, not read yet; within `timeout` seconds, if that is not as for a call."""
        url, patience = self.base_url + path, timeout or self._timeout
        sent = self._headers | headers | outgoing()
        try:
            async with (
                asyncio.timeout(patience),
                self._client.stream(method, url, headers=sent, content=content) as response,
            ):
                if not response.is_success:
                    text = await _read(response, MAX_ERROR_BYTES, cut=True)
                    raise refusal(self.starred(text), response.status_code, response.headers)
                if response.headers.get("content-encoding", UNPACKED) != UNPACKED:
                    raise bad_answer("the answer is packed, which was not asked for", response.status_code)
                yield response
        except TimeoutError as error:
            message = f"no answer within {patience:g} s"
            raise ProviderError(message, kind=ErrorKind.TIMEOUT, retryable=True) from error
        except httpx.HTTPError as error:
            raise _broken_line(error) from error

    async def _read_answer(self, response: httpx.Response) -> Answer:
        status, headers = response.status_code, response.headers
        data = parse_json(self.starred(await _read(response, MAX_ANSWER_BYTES)), status)
        if (error := error_in_answer(data, status, headers)) is not None:
            raise error
        return Answer(data, status, headers)

    async def _take_events(self, response: httpx.Response, take: TakeEvent) -> None:
        reader, size, status = EventReader(), 0, response.status_code
        parts = response.aiter_raw()
        async for part in parts:
            size += len(part)
            if size > MAX_STREAM_BYTES:
                raise too_large(MAX_STREAM_BYTES, status)
            for text in reader.feed(part):
                if self._take_event(text, response, take):
                    with suppress(TimeoutError):
                        async with asyncio.timeout(FAREWELL):
                            await anext(parts, None)
                    return

    def _take_event(self, text: bytes, response: httpx.Response, take: TakeEvent) -> bool:
        if text == b"[DONE]":
            return True
        data = parse_json(self.starred(text), response.status_code)
        if (error := error_in_answer(data, response.status_code, response.headers)) is not None:
            raise error
        return take(data)


def too_large(most: int, status: int | None) -> ProviderError:
    """An answer beyond all bounds; asked again, it would be so again."""
    return ProviderError(f"the answer is larger than {most:,} bytes", kind=ErrorKind.BAD_ANSWER, status=status)


async def _open_client(timeout: float, connect_timeout: float) -> httpx.AsyncClient:
    patience = httpx.Timeout(timeout, connect=connect_timeout)
    return httpx.AsyncClient(transport=AiohttpTransport(limits=MANY_CONNECTIONS), timeout=patience)


async def _read(response: httpx.Response, most: int, *, cut: bool = False) -> bytes:
    """The body; where it is larger than `most` bytes, its beginning (`cut`) or a ProviderError."""
    if not cut and int(response.headers.get("content-length", "0")) > most:
        raise too_large(most, response.status_code)
    parts, size = list[bytes](), 0
    async for part in response.aiter_raw():
        size += len(part)
        parts.append(part)
        if size > most:
            if cut:
                break
            raise too_large(most, response.status_code)
    return b"".join(parts)


def _broken_line(error: httpx.HTTPError) -> ProviderError:
    """Only a connection that was never made is surely unbilled.

    httpx-aiohttp reports a connection lost in mid-air as ConnectTimeout too, so the cause below it decides.
    """
    cause = error.__cause__
    what = str(error) or type(error).__name__
    if isinstance(cause, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
        return ProviderError(f"cannot connect: {what}", kind=ErrorKind.CONNECT, retryable=True)
    if isinstance(cause, (aiohttp.ServerTimeoutError, TimeoutError)):
        return ProviderError(f"no answer in time: {what}", kind=ErrorKind.TIMEOUT, retryable=True)
    return ProviderError(f"the connection broke: {what}", kind=ErrorKind.UNKNOWN, retryable=True)
