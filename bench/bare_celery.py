"""A Celery task that asks the emulator once and returns the status: what Celery alone costs, without a ledger."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery

from tasks.loop import Loop
from tasks.providers.http import Endpoint

QUEUE = "bare"
HEADERS = {"authorization": "Bearer emulated"}

app = Celery(
    "bare", broker=os.environ["BENCH_BROKER_URL"], backend=os.environ["BENCH_BROKER_URL"], set_as_current=False
)
app.conf.update(
    task_serializer="json",
    accept_content=["json"],
    task_default_queue=QUEUE,
    task_acks_late=True,
    result_serializer="json",
    worker_prefetch_multiplier=1,
)
_loop = Loop()
_endpoints: list[Endpoint] = []


@app.task(name="bare.ask")
def ask(body: dict[str, Any]) -> int:
    """POST `body`, read the answer, return its status."""
    if not _endpoints:
        _endpoints.append(Endpoint(_loop, os.environ["BENCH_PROVIDER_URL"], timeout=30, connect_timeout=5))
    return _loop.run(_endpoints[0].post("/chat/completions", HEADERS, body)).status
