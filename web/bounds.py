"""How large a request may be and how long it may take to arrive."""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mirepoix.client import MAX_INPUT_BYTES
from web.errors import refuse

MOST_BYTES = 2 * MAX_INPUT_BYTES
"""An input at its limit, with what JSON adds to it."""
MOST_BULK_BYTES = 1_000_000_000
BULK_PATH = "/v1/jobs:bulk"
MOST_HEADER_BYTES = 32_768
PATIENCE = 30.0
"""Seconds that the next part of a body may take."""


class Bounds:
    """Middleware that refuses what is too large (413) and gives up on what does not come (408)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = MOST_BULK_BYTES if scope["path"] == BULK_PATH else MOST_BYTES
        wrong = _ill_framed(scope) or _too_much(scope, most)
        if wrong is not None:
            await refuse(*wrong, headers={"Connection": "close"})(scope, receive, send)
            return
        seen, whole = 0, False

        async def counted() -> Message:
            nonlocal seen, whole
            if whole:
                return await receive()  # the disconnection, whenever it comes
            try:
                async with asyncio.timeout(PATIENCE):
                    message = await receive()
            except TimeoutError as error:
                raise HTTPException(408, f"no more of the body came within {PATIENCE:g} s.") from error
            seen += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if seen > most:
                raise HTTPException(413, _too_large(most))
            return message

        await self._app(scope, counted, send)


def _ill_framed(scope: Scope) -> tuple[int, str] | None:
    """What our parser reads in one way, and a proxy before us might read in another (RFC 9112, section 6.3)."""
    names = [name for name, _ in scope["headers"]]
    if b"content-length" in names and b"transfer-encoding" in names:
        return 400, "a request has a Content-Length or a Transfer-Encoding, not both."
    if scope["http_version"] not in ("1.0", "1.1"):
        return 400, "this version of HTTP is not spoken here."
    return None


def _too_much(scope: Scope, most: int) -> tuple[int, str] | None:
    if sum(len(name) + len(value) for name, value in scope["headers"]) > MOST_HEADER_BYTES:
        return 431, f"the headers are larger than {MOST_HEADER_BYTES:,} bytes."
    if int(dict(scope["headers"]).get(b"content-length", b"0")) > most:
        return 413, _too_large(most)
    return None


def _too_large(most: int) -> str:
    return f"the body is larger than {most:,} bytes."
