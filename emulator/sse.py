"""Server-sent events as bytes (WHATWG HTML standard, 9.2)."""

from __future__ import annotations

import json

from emulator.wire import Event, Framing

MEDIA_TYPE = "text/event-stream"
HEADERS = {"cache-control": "no-cache"}


def encode(event: Event) -> bytes:
    """One event with its name, if any, and its data on one line, as the providers send them."""
    data = event.data
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    name = "" if event.name is None else f"event: {event.name}\n"
    return f"{name}data: {text}\n\n".encode()


SSE = Framing(MEDIA_TYPE, encode)
