"""How canvases are sent: in one round trip to the broker, however many messages they are."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from celery import Celery, Signature, Task
from celery.utils import uuid
from kombu.exceptions import BatchPublishError  # type: ignore[attr-defined]  # its stubs are of an older kombu


class SendingApp(Celery):
    """A Celery app whose threads can hold back what they send, to send it together.

    kombu writes what is published in a batch to Redis at once; on RabbitMQ, which confirms each message, a batch is no
    other than its messages.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._here = threading.local()

    def producer_or_acquire(self, producer: Any = None) -> Any:
        """As Celery's; inside `together` always the same producer."""
        return super().producer_or_acquire(producer or getattr(self._here, "producer", None))

    def connection_for_write(self, *args: Any, **options: Any) -> Any:
        """As Celery's, for sending: kombu makes no batches where redis-py itself tries again what timed out."""
        connection: Any = super().connection_for_write(*args, **options)
        connection.transport_options.pop("retry_on_timeout", None)
        return connection

    @contextmanager
    def together(self) -> Iterator[None]:
        """Send what this thread publishes meanwhile at the end; raises BatchPublishError when it may not be sent."""
        with self.producer_or_acquire() as producer, producer.batch():
            self._here.producer = producer
            try:
                yield
            finally:
                self._here.producer = None


def send(app: SendingApp, canvases: Sequence[Signature[Any]]) -> None:
    """Send `canvases`, if there are any; raises kombu's OperationalError where the broker is away.

    A batch that broke goes message by message, with Celery's patience: a hint that comes twice does no harm.
    """
    if not canvases:
        return
    try:
        with app.together():
            for canvas in canvases:
                canvas.apply_async()
    except BatchPublishError:
        for canvas in canvases:
            canvas.apply_async()


class SendingTask(Task):  # type: ignore[type-arg]  # Celery subclasses it without arguments
    """A task that is replaced in one round trip, and then ends well.

    Celery's own ends with an exception whose traceback it writes down twice, which cost more than a route's decision
    (bench/README.md); and Flower never saw its end. What stood behind the task stands behind what takes its place by
    then, so nothing is left for it to lead to.
    """

    abstract = True

    def replace(self, sig: Signature[Any]) -> Any:
        """As Celery's, but what takes this task's place gets an id of its own: Flower tells their ends apart."""
        own = self.request.id
        self.request.id = uuid()
        try:
            return super().replace(sig)
        finally:
            self.request.id = own

    def on_replace(self, sig: Signature[Any]) -> None:
        """Send what takes this task's place."""
        send(cast(SendingApp, self.app), [sig])
        self.request.update(chain=None, callbacks=None, chord=None)
