"""How a producer tells the orchestrators that a job is waiting: one small message with its id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import redis
from amqp.exceptions import AMQPError, MessageNacked
from celery import Celery
from kombu.exceptions import BatchPublishError, OperationalError  # type: ignore[attr-defined]  # stubs of an older kombu

from mirepoix.errors import BrokerError
from mirepoix.queues import START, all_queues, in_messages, queue_name, shown_ids
from mirepoix.settings import Settings, masked
from mirepoix.states import Lane

UNFORESEEN = (AttributeError, MessageNacked, AMQPError)
"""What kombu lets through beside its OperationalError when the broker goes while a message is sent.

The AttributeError comes of a channel that another thread closed at that moment: its connection is None.
"""
RETRY = {"max_retries": 2, "interval_start": 0.1, "interval_step": 0.2, "interval_max": 0.5}
REDIS = {"socket_timeout": 5, "socket_connect_timeout": 2, "socket_keepalive": True}
RABBITMQ = {"confirm_publish": True, "read_timeout": 5, "write_timeout": 5}
"""A message counts as sent when the broker has confirmed it; one that is silent for 5 s is away."""


class Publisher:
    """Sends `start` messages; keeps its connections until `close`."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.broker_url
        self._app = Celery("mirepoix-producer", broker=settings.broker_url, set_as_current=False)
        self._app.conf.update(
            task_queues=all_queues([]),
            task_serializer="json",
            accept_content=["json"],
            task_ignore_result=True,
            task_send_sent_event=True,
            broker_transport_options=REDIS if settings.broker_url.startswith("redis") else RABBITMQ,
            broker_connection_timeout=2,
        )

    def start(self, jobs: Mapping[Lane, Sequence[str]]) -> None:
        """Ask the orchestrators to start these jobs of each lane; raises BrokerError when the broker is away.

        On Redis they go out in one round trip. Where that breaks they go one by one, with some patience: whether any
        arrived is not known, and a message that comes twice does no harm.
        """
        try:
            with self._app.producer_or_acquire() as producer:
                try:
                    with producer.batch():
                        self._send(producer, jobs)
                except BatchPublishError:
                    self._send(producer, jobs)
        except (OperationalError, OSError, redis.RedisError, *UNFORESEEN) as error:
            raise BrokerError(f"the broker {masked(self._url)} cannot be reached: {_cause(error)}.") from error

    def _send(self, producer: Any, jobs: Mapping[Lane, Sequence[str]]) -> None:
        for lane, job_ids in jobs.items():
            for together in in_messages(job_ids):
                self._app.send_task(
                    START,
                    args=together,
                    queue=queue_name(None, lane),
                    producer=producer,
                    argsrepr=shown_ids(together),
                    kwargsrepr="{}",
                    retry=True,
                    retry_policy=RETRY,
                )

    def require_broker(self) -> None:
        """Raise BrokerError unless the broker answers now."""
        try:
            with self._app.connection_for_write() as connection:
                connection.ensure_connection(max_retries=1, interval_start=0, timeout=2)
        except (OperationalError, OSError) as error:
            raise BrokerError(f"the broker {masked(self._url)} cannot be reached: {_cause(error)}.") from error

    def close(self) -> None:
        """Give all connections back."""
        self._app.close()


def _cause(error: BaseException) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__
