"""Celery's consumer, made to outlive its messages and its broker.

Whatever a message makes it raise, the message is put away and the next is taken.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, ClassVar

from celery.worker import consumer as plain

from workers.sieve import Sieve, flat

EVENTS_INTERVAL = 0.25
"""Seconds that an event may be late."""


class Consumer(plain.Consumer):
    """Consumes the queues of the house; the last resort behind the sieve, for what passes it and Celery cannot take.

    Where Celery sees quorum queues it declares 28 more queues and exchanges, at every connection anew, for messages
    that are to wait. No message of the house waits in a broker.
    """

    class Blueprint(plain.Consumer.Blueprint):  # type: ignore[misc, valid-type]  # Celery carries no types
        """The steps from a connection to consuming."""

        default_steps: ClassVar[list[Any]] = [
            step for step in plain.Consumer.Blueprint.default_steps if "delayed_delivery" not in step
        ]

    @property
    def _sieve(self) -> Sieve:
        sieve: Sieve = self.app.conf.broker_transport_options["sieve"]
        return sieve

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Celery's own, with the errors of one message kept to that message."""
        handle = super().create_task_handler(*args, **kwargs)
        # kombu counts KeyError among the losses of a Redis connection; here it is a message that lacks something.
        lost = tuple(kind for kind in self.app.connection_for_read().connection_errors if kind is not KeyError)

        def on_task_received(message: Any) -> None:
            try:
                handle(message)
            except lost:
                raise
            except Exception as error:  # noqa: BLE001 - anything may come of a message, and the next must be taken
                self._put_away(message, error)

        return on_task_received

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """A message, of a task or of control, that kombu cannot decode."""
        self._put_away(message, exc)

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """A message that names no task."""
        self._put_away(message, KeyError("task"))

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        """A message for a task that this worker does not have."""
        self._put_away(message, exc)

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        """A message that Celery finds wrong."""
        self._put_away(message, exc)

    def connection_for_write(self, url: str | None = None, heartbeat: float | None = None) -> Any:
        """The connection that events are sent on: without confirms, which the loop and another thread would fight over.

        One of them reads the confirm that the other waits for; on RabbitMQ that held up the loop until a time-out.
        """
        connection = self.app.connection_for_write(url=url, heartbeat=heartbeat)
        connection.transport_options = {**(connection.transport_options or {}), "confirm_publish": False}
        return self.ensure_connected(connection)

    def register_with_event_loop(self, hub: Any) -> None:
        """Let all events be sent by the loop, however many tasks end at once: a connection is for one thread.

        They are for people who look on, and go out together some times a second: Celery sends them at each turn of its
        loop, and what a task's sender tells by a message of its own.
        """
        super().register_with_event_loop(hub)
        dispatcher: Any = vars(self).get("event_dispatcher")
        if dispatcher is not None:
            dispatcher.buffer_limit = sys.maxsize
            amqp: Any = self.app.amqp
            amqp.tell_with(dispatcher)
            hub.timer.call_repeatedly(EVENTS_INTERVAL, dispatcher.flush)

    def on_send_event_buffered(self) -> Any:
        """They wait for the next time."""

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Let go of a lost connection, so that a new one can be made.

        kombu's Redis channel stops closing half-way at the first error. When Celery closes it again, its transport is
        gone, and the AttributeError that follows ends the worker. So the channel is closed to its end before.
        """
        lost = self.connection
        channel = getattr(lost, "_default_channel", None)  # `default_channel` would connect anew
        if lost is not None and channel is not None:
            for _ in range(2):
                lost.maybe_close_channel(channel)
        super().on_connection_error_after_connected(exc)

    def shutdown(self) -> None:
        """End, after the ledger has taken what was put away, and the last events are out."""
        dispatcher: Any = vars(self).get("event_dispatcher")
        if dispatcher is not None:
            dispatcher.flush()
        super().shutdown()
        self._sieve.quarantine.close()

    def _put_away(self, message: Any, error: Exception) -> None:
        """Its properties change with each delivery, so it goes by its headers and body."""
        queue = str((message.delivery_info or {}).get("routing_key"))
        raw = flat(message.body, {"application_headers": message.headers})
        self._sieve.quarantine.take(queue, raw, f"Celery cannot take it: {type(error).__name__}")
        if not message.acknowledged:
            message.reject(requeue=False)
