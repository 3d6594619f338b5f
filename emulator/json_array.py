"""Events as the items of one JSON list, which grows while it is read: Google's way to stream where SSE is not asked."""

from __future__ import annotations

import json
from itertools import chain, repeat

from emulator.wire import Event, Framing


def json_array() -> Framing:
    """For one stream: each item knows whether it is the first."""
    before = chain([b"["], repeat(b",\r\n"))

    def encode(event: Event) -> bytes:
        data = event.data
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        return next(before) + text.encode()

    return Framing("application/json", encode, tail=b"]")
