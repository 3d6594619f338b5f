"""POST JSON to a provider and say what went wrong in Mirepoix's words.

httpx runs over aiohttp's connector: with hundreds of calls in flight its own pool spends more CPU on looking through
idle connections than on the calls.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from mirepoix.errors import ProviderError
from mirepoix.states import ErrorKind
from tasks.loop import Loop

MAX_ANSWER_BYTES = 32_000_000
MANY_CONNECTIONS = httpx.Limits(max_connections=10_000, max_keepalive_connections=10_000, keepalive_expiry=30)
QUOTA_CODES = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "enforced_spend_limit_reached",
        "billing_error",
    }
)
"""Error codes that waiting does not mend (OpenAI error reference, Oct 2026; Anthropic API errors page)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx answer: its JSON object, status and headers."""

    data: dict[str, Any]
    status: int
    headers: httpx.Headers


class Endpoint:
    """An address with its time-outs (seconds) and its connection pool."""

    def __init__(self, loop: Loop, base_url: str, *, timeout: float, connect_timeout: float) -> None:
        self.base_url = base_url
        self._timeout = timeout
        self._client = loop.run(_open_client(timeout, connect_timeout))

    async def post(self, path: str, headers: dict[str, str], body: object) -> Answer:
        """Send `body` and wait; raises ProviderError for everything but a 2xx with a JSON object."""
        url, content = self.base_url + path, json.dumps(body).encode()
        headers = {"content-type": "application/json", **headers}
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._client.stream("POST", url, headers=headers, content=content) as response,
            ):
                text = await _read(response)
        except TimeoutError as error:
            message = f"no answer within {self._timeout:g} s"
            raise ProviderError(message, kind=ErrorKind.TIMEOUT, retryable=True) from error
        except httpx.HTTPError as error:
            raise _broken_line(error) from error
        if response.is_success:
            return Answer(_json_object(text, response), response.status_code, response.headers)
        raise _refusal(text, response)


async def _open_client(timeout: float, connect_timeout: float) -> httpx.AsyncClient:
    patience = httpx.Timeout(timeout, connect=connect_timeout)
    return httpx.AsyncClient(transport=AiohttpTransport(limits=MANY_CONNECTIONS), timeout=patience)


async def _read(response: httpx.Response) -> bytes:
    parts, size = list[bytes](), 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            message = f"the answer is larger than {MAX_ANSWER_BYTES:,} bytes"
            raise ProviderError(message, kind=ErrorKind.BAD_ANSWER, status=response.status_code)
        parts.append(part)
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


def _json_object(text: bytes, response: httpx.Response) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise bad_answer("the answer is not JSON", response.status_code) from error
    if not isinstance(data, dict):
        raise bad_answer("the answer is not a JSON object", response.status_code)
    if data.get("error"):
        message, _ = _message_and_codes(data)
        raise bad_answer(f"an error came with status {response.status_code}: {message}", response.status_code)
    return data


def bad_answer(message: str, status: int | None) -> ProviderError:
    """An answer that breaks the wire format; the same question may well be answered properly the next time."""
    return ProviderError(message, kind=ErrorKind.BAD_ANSWER, retryable=True, status=status)


def _refusal(text: bytes, response: httpx.Response) -> ProviderError:
    status = response.status_code
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    message, codes = _message_and_codes(data)
    kind = _kind_of(status, codes)
    return ProviderError(
        f"status {status}: {message or 'no reason given'}",
        kind=kind,
        retryable=kind in (ErrorKind.RATE_LIMITED, ErrorKind.OVERLOADED),
        wait=retry_after(response.headers),
        status=status,
        request_id=response.headers.get("x-request-id") or response.headers.get("request-id"),
    )


def _kind_of(status: int, codes: frozenset[str]) -> ErrorKind:
    if codes & QUOTA_CODES or status == 402:
        return ErrorKind.QUOTA
    if status == 429:
        return ErrorKind.RATE_LIMITED
    if status in (408, 409) or status >= 500:
        return ErrorKind.OVERLOADED
    if status in (401, 403):
        return ErrorKind.AUTH
    return ErrorKind.NOT_FOUND if status == 404 else ErrorKind.BAD_REQUEST


def _message_and_codes(data: object) -> tuple[str, frozenset[str]]:
    """The text, and everything that looks like a code, of an error body in any of the providers' shapes."""
    error = data.get("error") if isinstance(data, dict) else None
    if isinstance(error, str):
        return error[:500], frozenset()
    if not isinstance(error, dict):
        return "", frozenset()
    details = error.get("details")
    sources = [error, details] if isinstance(details, dict) else [error]
    codes = {str(source[key]) for source in sources for key in ("code", "type", "error_code") if source.get(key)}
    return str(error.get("message", ""))[:500], frozenset(codes)


def retry_after(headers: httpx.Headers) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `retry-after` (seconds or an HTTP date); None if neither helps."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * scale
        except ValueError:
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    try:
        moment = parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
