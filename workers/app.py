"""The Celery app of the workers."""

from __future__ import annotations

from typing import Any

from mirepoix.config import ORCHESTRATE, Config
from mirepoix.queues import EXCHANGE, all_queues
from mirepoix.settings import Settings
from tasks.chords import LedgerChords
from tasks.house import House
from tasks.registry import register_tasks
from tasks.sending import SendingApp, SendingTask
from workers.connection import SiftingAMQP
from workers.consumer import Consumer
from workers.lanes import FastFirst
from workers.quarantine import Quarantine
from workers.sieve import Sieve

SOCKET: dict[str, Any] = {
    "socket_timeout": 30,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "retry_on_timeout": True,
    "health_check_interval": 10,
}
RABBITMQ: dict[str, Any] = {"confirm_publish": True, "read_timeout": 30, "write_timeout": 30}
HEARTBEAT = 10
"""Seconds; a RabbitMQ that shows no sign of life for two of them is left, and looked for again."""


def create_app(settings: Settings, config: Config) -> tuple[SendingApp, House]:
    """A Celery app with the house's queues and tasks, and what its tasks share."""
    app = SendingApp(
        "mirepoix",
        broker=settings.broker_url,
        backend=f"{LedgerChords.__module__}:{LedgerChords.__name__}",
        amqp=SiftingAMQP,
        task_cls=SendingTask,
        set_as_current=False,
    )
    house = House(app, settings, config)
    app.conf.update(
        task_serializer="json",
        result_serializer="json",
        accept_content=["json"],
        task_queues=all_queues(list(config.providers)),
        task_default_queue=ORCHESTRATE,
        task_default_exchange=EXCHANGE.name,
        task_default_routing_key=ORCHESTRATE,
        task_create_missing_queues=False,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        result_backend_thread_safe=True,  # it keeps nothing; else each thread makes one
        task_track_started=True,
        task_send_sent_event=True,
        worker_send_task_events=True,
        worker_consumer=f"{Consumer.__module__}:{Consumer.__name__}",
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_heartbeat=HEARTBEAT,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options=_broker_options(settings) | {"sieve": Sieve(app, Quarantine(house))},
    )
    register_tasks(app, house)
    return app, house


def _broker_options(settings: Settings) -> dict[str, Any]:
    if not settings.broker_url.startswith("redis"):
        return RABBITMQ
    order = f"{FastFirst.__module__}:{FastFirst.__name__}"
    return {"queue_order_strategy": order, "priority_steps": [0], **SOCKET}
