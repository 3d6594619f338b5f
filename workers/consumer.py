"""Celery's consumer without the step that the house has no use for."""

from __future__ import annotations

from typing import Any, ClassVar

from celery.worker.consumer import Consumer as CeleryConsumer


class Consumer(CeleryConsumer):
    """Consumes the queues of the house.

    Where Celery sees quorum queues it declares 28 more queues and exchanges, at every connection anew, for messages
    that are to wait. No message of the house waits in a broker.
    """

    class Blueprint(CeleryConsumer.Blueprint):  # type: ignore[misc, name-defined]  # carries no types
        """The steps from a connection to consuming."""

        default_steps: ClassVar[list[Any]] = [
            step for step in CeleryConsumer.Blueprint.default_steps if "delayed_delivery" not in step
        ]
