"""kombu's AMQP transport with a sieve before each consumer: what is refused is rejected, and never decompressed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kombu.transport import pyamqp as plain

from workers.sieve import Sieve


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
    """A connection of such channels."""

    Channel = Channel


class Transport(plain.Transport):
    """Goes by the name of the plain one."""

    Connection = Connection


class SSLTransport(plain.SSLTransport):
    """The same over TLS."""

    Connection = Connection
