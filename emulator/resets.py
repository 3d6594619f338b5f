"""Connections that break off: a TCP reset, at once or in the middle of an answer.

ASGI has no word for it, so the server offers its transport to the application as an extension of the request's scope.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping
from typing import cast

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

EXTENSION = "mirepoix.connection"
DISCARD_AND_RESET = struct.pack("ii", 1, 0)  # struct linger: on, for 0 seconds
FLUSH_SECONDS = 0.02


class ResettableHttp(HttpToolsProtocol):
    """uvicorn's HTTP on httptools, with its transport in the scope."""

    def on_message_begin(self) -> None:
        """Begin a request's scope."""
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: {"transport": self.transport}}


class Reset(Response):
    """A head that announces all of `content`, the first `sent` bytes of it, then a reset; with `sent` 0 only that."""

    def __init__(self, content: str = "", *, sent: int = 0, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(content, headers=headers, media_type="application/json")
        self._sent = sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what is to be sent, and reset."""
        if self._sent:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": self.body[: self._sent], "more_body": True})
            await asyncio.sleep(FLUSH_SECONDS)  # a reset throws away what has not left yet
        reset(scope)
        while (await receive())["type"] != "http.disconnect":
            continue  # until the server knows, it would answer in our place


def reset(scope: Scope) -> None:
    """Reset the connection of this request; what has not left yet is thrown away."""
    transport = cast(asyncio.Transport, scope["extensions"][EXTENSION]["transport"])
    if not transport.is_closing():
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, DISCARD_AND_RESET)
        transport.abort()
