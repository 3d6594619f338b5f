"""How Celery gets the transports that sift: by the class of its connections.

A broker's URL may name only the transports that kombu knows, and passing another class along would hide from kombu
and Celery which broker it is. So the URL stays as it is, and the connection takes our class for its scheme's.
Connections out of Celery's pools only publish, and ask workers to answer; they stay plain.
"""

from __future__ import annotations

from typing import Any

import kombu
from celery.app.amqp import AMQP
from kombu.exceptions import OperationalError
from kombu.transport import pyamqp
from kombu.transport import redis as plain_redis

from mirepoix.publisher import UNFORESEEN
from workers import amqp_transport, redis_transport

SIFTING: dict[Any, type] = {
    plain_redis.Transport: redis_transport.Transport,
    pyamqp.Transport: amqp_transport.Transport,
    pyamqp.SSLTransport: amqp_transport.SSLTransport,
}


class SiftingConnection(kombu.Connection):
    """A connection to the broker, through the sieve in its transport options."""

    def get_transport_cls(self) -> Any:
        """The sifting transport where there is one."""
        plain = super().get_transport_cls()
        return SIFTING.get(plain, plain)


class SiftingAMQP(AMQP):
    """Celery's messaging on such connections, with one word for a broker that went away while a message was sent."""

    Connection = SiftingConnection
    _sent: Any = None

    def tell_with(self, dispatcher: Any) -> None:
        """Let what is told of sent messages go out with the other events of this worker, through its dispatcher."""
        self._sent = _Sent(dispatcher)

    def _create_task_sender(self) -> Any:
        send = super()._create_task_sender()  # type: ignore[misc]  # celery-types does not have it

        def send_or_say(*args: Any, **options: Any) -> Any:
            """Raises kombu's OperationalError where the message may not have been sent."""
            try:
                return send(*args, event_dispatcher=self._sent, **options)
            except UNFORESEEN as error:
                raise OperationalError(f"the connection broke: {type(error).__name__} {error}") from error

        return send_or_say


class _Sent:
    """What Celery tells of sent messages to: a dispatcher that keeps it until it is flushed."""

    def __init__(self, dispatcher: Any) -> None:
        self._dispatcher = dispatcher

    def publish(self, kind: str, fields: dict[str, Any], producer: Any, **options: Any) -> None:
        """As Celery calls it."""
        self._dispatcher.send(kind, **fields)
