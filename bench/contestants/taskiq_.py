"""taskiq: an async task that asks and returns the answer; an acknowledged Redis stream, results in Redis as JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from taskiq import Context, TaskiqDepends, TaskiqEvents, TaskiqState
from taskiq.serializers import JSONSerializer
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from bench.contestants import Places, Run
from bench.contestants.asking import ask_with, open_client
from bench.contestants.question import TIMEOUT

URL = Places.from_environ().broker_url
LOOKS_EVERY = 0.01

broker = RedisStreamBroker(url=URL, queue_name="bench-taskiq").with_result_backend(
    RedisAsyncResultBackend(redis_url=URL, serializer=JSONSerializer())
)


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def connect(state: TaskiqState) -> None:
    """One connection pool for the worker."""
    state.client = await open_client()


@broker.task(task_name="bench.ask")
async def ask(context: Annotated[Context, TaskiqDepends()]) -> str:
    """Ask once."""
    return await ask_with(context.state.client)


@contextmanager
def producing() -> Iterator[Run]:
    """Tasks, and their results in the order of the tasks."""
    with asyncio.Runner() as runner:
        runner.run(broker.startup())
        try:
            yield lambda calls: runner.run(_run(calls))
        finally:
            runner.run(broker.shutdown())


async def _run(calls: int) -> None:
    tasks = [await ask.kiq() for _ in range(calls)]
    for task in tasks:
        result = await task.wait_result(check_interval=LOOKS_EVERY, timeout=TIMEOUT)
        result.raise_for_error()
