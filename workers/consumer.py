"""Celery's consumer, made to outlive its broker, and without the step that the house has no use for."""

from __future__ import annotations

from typing import Any, ClassVar

from celery.worker.consumer import Consumer as CeleryConsumer


class Consumer(CeleryConsumer):
    """Consumes the queues of the house.

    Where Celery sees quorum queues it declares 28 more queues and exchanges, at every connection anew, for messages
    that are to wait. No message of the house waits in a broker.
    """

    class Blueprint(CeleryConsumer.Blueprint):  # type: ignore[misc, valid-type]  # Celery carries no types
        """The steps from a connection to consuming."""

        default_steps: ClassVar[list[Any]] = [
            step for step in CeleryConsumer.Blueprint.default_steps if "delayed_delivery" not in step
        ]

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
