"""Properties that py-amqp cannot read arrive as a message that is refused, not as the end of the worker."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import pytest
from amqp import method_framing, spec

from workers.amqp_transport import frame_handler

BODY = b"[[], {}, {}]"


def short(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def table(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def with_headers(content: bytes) -> bytes:
    """Properties with a content type and a header table."""
    return struct.pack(">H", 1 << 15 | 1 << 13) + short(b"application/json") + table(content)


def nested(levels: int) -> bytes:
    content = b""
    for _ in range(levels):
        content = short(b"a") + b"F" + table(content)
    return content


GOOD = with_headers(short(b"task") + b"S" + table(b"mirepoix.call"))
UNREADABLE = {
    "a date in milliseconds": with_headers(short(b"at") + b"T" + struct.pack(">Q", 1_700_000_000_000)),
    "a date beyond all": with_headers(short(b"at") + b"T" + b"\xff" * 8),
    "a type that nobody knows": with_headers(short(b"at") + b"?"),
    "tables in tables": with_headers(nested(5000)),
    "a table that is cut off": with_headers(short(b"at") + b"S" + table(b"x"))[:-3],
    "a content type that is no text": struct.pack(">H", 1 << 15) + short(b"\xff\xfe"),
}


def frames(properties: bytes) -> list[tuple[int, int, bytes]]:
    """A delivery as it comes over the wire: method, header, body."""
    deliver = struct.pack(">HH", *spec.Basic.Deliver) + short(b"tag") + struct.pack(">Q?", 1, False) + short(b"") * 2
    header = struct.pack(">HxxQ", 60, len(BODY)) + properties
    return [(kind, 1, raw) for kind, raw in ((1, deliver), (2, header), (3, BODY))]


def deliver(handler: Any, properties: bytes) -> Any:
    """The message that comes of these frames."""
    messages: list[Any] = []
    on_frame = handler(SimpleNamespace(bytes_recv=0), lambda *received: messages.append(received[-1]))
    for frame in frames(properties):
        on_frame(frame)
    return messages[0]


def test_readable_properties_arrive_as_they_are() -> None:
    message = deliver(frame_handler, GOOD)
    assert message.properties == deliver(method_framing.frame_handler, GOOD).properties
    assert message.properties["application_headers"] == {"task": "mirepoix.call"}


@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable_properties_arrive_as_a_message_that_is_refused(name: str) -> None:
    with pytest.raises(Exception, match=r".*"):  # whatever py-amqp raises would have lost the connection
        deliver(method_framing.frame_handler, UNREADABLE[name])
    message = deliver(frame_handler, UNREADABLE[name])
    assert message.properties == {"content_type": "application/x-unreadable"}
    assert bytes(message.body) == BODY
