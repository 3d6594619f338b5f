"""Server-sent events: what goes over the wire, and how it is answered (https://html.spec.whatwg.org, section 9.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from starlette.responses import StreamingResponse

HEARTBEAT = b": \n\n"
"""A comment; it keeps proxies from closing, and shows us that a listener has gone."""


def event(data: str, name: str | None = None) -> bytes:
    """One event; `data` is JSON, so it has no line breaks."""
    named = f"event: {name}\n" if name else ""
    return f"{named}data: {data}\n\n".encode("utf-8", "replace")


class EventStream(StreamingResponse):
    """Events as they come; no proxy shall gather them."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(events, headers={"X-Accel-Buffering": "no", **(headers or {})})
