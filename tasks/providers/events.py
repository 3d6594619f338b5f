"""Server-sent events, as bytes come in (WHATWG HTML, section 9.2).

Own code, since httpx-sse keeps lines and events of any length, and breaks lines at characters that JSON may hold.
"""

from __future__ import annotations

from collections.abc import Iterator

from mirepoix.errors import ProviderError
from mirepoix.states import ErrorKind

MAX_EVENT_BYTES = 4_000_000
MAX_EVENTS, MAX_LINES = 200_000, 800_000
"""A token takes one event of four lines at the most, and the longest answers have 128,000 tokens."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class EventReader:
    """Cuts a stream into the data of its events; names and ids of events are passed over, the JSON says it all."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0
        self._events = 0
        self._lines = 0
        self._begun = False

    def feed(self, part: bytes) -> Iterator[bytes]:
        """The data of each event that `part` completes. Raises ProviderError for an event beyond all bounds."""
        text = self._rest + part
        if not self._begun and len(text) >= len(BYTE_ORDER_MARK):
            text, self._begun = text.removeprefix(BYTE_ORDER_MARK), True
        lines = text.splitlines(keepends=True)
        # after a CR at the end, the LF that belongs to it may be the next byte
        self._rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        self._lines += len(lines)
        for line in lines:
            data = self._take_line(line.rstrip(b"\r\n"))
            if data is not None:
                self._events += 1
                yield data
        if len(self._rest) + self._size > MAX_EVENT_BYTES:
            raise _too_much(f"an event of the stream is larger than {MAX_EVENT_BYTES:,} bytes")
        if self._events > MAX_EVENTS or self._lines > MAX_LINES:
            raise _too_much(f"the stream has more than {MAX_EVENTS:,} events, or {MAX_LINES:,} lines")

    def _take_line(self, line: bytes) -> bytes | None:
        if not line:
            data, self._data, self._size = b"\n".join(self._data), [], 0
            return data or None
        if line.startswith(b"data"):
            field, _, value = line.partition(b":")
            if field == b"data":
                self._data.append(value.removeprefix(b" "))
                self._size += len(value) + 1
        return None


def _too_much(message: str) -> ProviderError:
    return ProviderError(message, kind=ErrorKind.BAD_ANSWER)
