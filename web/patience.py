"""How long a client may take over a request's header, and how many may be connected: slow ones must not fill the house.

uvicorn bounds how long a kept connection may be silent and how many requests are answered at once, but neither how long
a header may take nor how many connections are open that have sent none.
"""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_PATIENCE = 20.0
"""Seconds from a connection, or the first byte of a further request on it, to the end of that request's header."""
MOST_CONNECTIONS = 2_000
"""Requests beyond so many connections are answered with 503."""
MOST_OPEN = MOST_CONNECTIONS + 200
"""Connections beyond are closed unheard. Each takes a file of the process, of which there may be few thousands."""


class PatientProtocol(H11Protocol):
    """HTTP/1.1 that gives up on a header which does not end (408), and closes what comes when too many are there."""

    _overdue: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for the first header."""
        super().connection_made(transport)
        if len(self.connections) > MOST_OPEN:
            transport.abort()
        else:
            self._wait_for_header()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hear more of a header or a body."""
        if self.conn.their_state is h11.IDLE:
            self._wait_for_header()
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """Go on with what came behind the request that is answered."""
        super().on_response_complete()
        self._look()

    def _look(self) -> None:
        """Wait where a header has begun and not ended."""
        begun = self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]
        if begun and not self.transport.is_closing():
            self._wait_for_header()
        else:
            self._wait_no_more()

    def _wait_for_header(self) -> None:
        if self._overdue is None:
            self._overdue = self.loop.call_later(HEADER_PATIENCE, self._give_up)

    def _wait_no_more(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None

    def _give_up(self) -> None:
        """Say so to who has begun to speak (RFC 9110, section 15.5.9), and close."""
        self._overdue = None
        if self.conn.trailing_data[0] and self.conn.our_state is h11.IDLE:
            text = f"the header did not end within {HEADER_PATIENCE:g} s.".encode()
            headers = [("content-type", "text/plain"), ("content-length", str(len(text))), ("connection", "close")]
            for event in (h11.Response(status_code=408, headers=headers), h11.Data(data=text), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
