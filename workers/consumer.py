"""Celery's consumer, which no message can end: whatever one makes it raise, it is put away and the next is taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery.worker import consumer as plain

from workers.sieve import Sieve, flat


class Consumer(plain.Consumer):
    """The last resort behind the sieve: for what passes it and Celery still cannot take."""

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

    def shutdown(self) -> None:
        """End, after the ledger has taken what was put away."""
        super().shutdown()
        self._sieve.quarantine.close()

    def _put_away(self, message: Any, error: Exception) -> None:
        """Its properties change with each delivery, so it goes by its headers and body."""
        queue = str((message.delivery_info or {}).get("routing_key"))
        raw = flat(message.body, {"application_headers": message.headers})
        self._sieve.quarantine.take(queue, raw, f"Celery cannot take it: {type(error).__name__}")
        if not message.acknowledged:
            message.reject(requeue=False)
