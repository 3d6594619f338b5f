"""kombu's AMQP transport with a sieve before each consumer: what is refused is rejected, and never decompressed."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from amqp import Message
from amqp.method_framing import frame_handler as plain_frame_handler
from kombu.transport import pyamqp as plain

from workers.sieve import Sieve

CONTENT_HEADER, BEFORE_PROPERTIES = 2, 12
"""The type of the frame that holds properties, and how many bytes stand before them (AMQP 0-9-1, 4.2.6.1)."""
_REFUSED = b"application/x-unreadable"
UNREADABLE = struct.pack(">HB", 1 << 15, len(_REFUSED)) + _REFUSED
"""Properties that hold a content type, and nothing else."""


class Channel(plain.Channel):
    """A channel whose consumers get no malformed messages."""

    def basic_consume(self, queue: str = "", *args: Any, **options: Any) -> Any:
        """Consume from `queue`, through the sieve."""
        deliver: Callable[[Any], Any] = options["callback"]
        sieve: Sieve | None = self.connection.client.transport_options.get("sieve")

        def take(message: Any) -> Any:
            if sieve is None or not sieve.refuses_message(queue, message.body, message.properties):
                return deliver(message)
            return None if options.get("no_ack") else self.basic_reject(message.delivery_tag, requeue=False)

        return super().basic_consume(queue, *args, **options | {"callback": take})


class Connection(plain.Connection):
    """A connection of such channels, which also survives properties that cannot be read."""

    Channel = Channel

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options | {"frame_handler": frame_handler})


def frame_handler(connection: Any, callback: Callable[..., Any]) -> Callable[[Any], Any]:
    """py-amqp's own, with unreadable properties exchanged for some that the sieve refuses.

    Properties stand in the frame before the body. An exception there would lose the connection and leave the message
    in the queue: a date in milliseconds, which is beyond the year 9999 in seconds, is enough.
    """
    take = plain_frame_handler(connection, callback)

    def on_frame(frame: tuple[int, int, bytes]) -> Any:
        kind, channel, buffer = frame
        if kind == CONTENT_HEADER and not _is_readable(buffer):
            frame = kind, channel, bytes(buffer[:BEFORE_PROPERTIES]) + UNREADABLE
        return take(frame)

    return on_frame


def _is_readable(buffer: bytes) -> bool:
    message: Any = Message()
    try:
        message.inbound_header(buffer)
    except Exception:  # noqa: BLE001 - py-amqp trusts the broker, and the broker passes on what it is given
        return False
    return True


class Transport(plain.Transport):
    """Goes by the name of the plain one."""

    Connection = Connection


class SSLTransport(plain.SSLTransport):
    """The same over TLS."""

    Connection = Connection
