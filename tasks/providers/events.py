"""Server-sent events, as bytes come in (WHATWG HTML, section 9.2).

Own code, since httpx-sse keeps lines and events of any length, and breaks lines at characters that JSON may hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mirepoix.errors import ProviderError
from mirepoix.states import ErrorKind

MAX_EVENT_BYTES = 4_000_000
LINE_END = re.compile(rb"\r\n?|\n")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class EventReader:
    """Cuts a stream into the data of its events; names and ids of events are passed over, the JSON says it all."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0
        self._begun = False

    def feed(self, part: bytes) -> Iterator[bytes]:
        """The data of each event that `part` completes. Raises ProviderError for an event beyond all bounds."""
        text, looked_at = self._rest + part, max(0, len(self._rest) - 1)
        if not self._begun and len(text) >= len(BYTE_ORDER_MARK):
            text, looked_at, self._begun = text.removeprefix(BYTE_ORDER_MARK), 0, True
        start = 0
        for end in LINE_END.finditer(text, looked_at):
            if end.group() == b"\r" and end.end() == len(text):
                break  # the LF that belongs to it may be the next byte
            line, start = text[start : end.start()], end.end()
            data = self._take_line(line)
            if data is not None:
                yield data
        self._rest = text[start:]
        if len(self._rest) + self._size > MAX_EVENT_BYTES:
            message = f"an event of the stream is larger than {MAX_EVENT_BYTES:,} bytes"
            raise ProviderError(message, kind=ErrorKind.BAD_ANSWER)

    def _take_line(self, line: bytes) -> bytes | None:
        if not line:
            data, self._data, self._size = b"\n".join(self._data), [], 0
            return data or None
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(value.removeprefix(b" "))
            self._size += len(value) + 1
        return None
