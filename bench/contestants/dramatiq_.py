"""dramatiq: an actor that asks and returns the answer, threads, messages and results in Redis as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.encoder import JSONEncoder
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from bench.contestants import Places, Run
from bench.contestants.asking import ask as ask_provider
from bench.contestants.question import TIMEOUT

URL = Places.from_environ().broker_url

broker = RedisBroker(url=URL)
broker.add_middleware(Results(backend=RedisBackend(url=URL, encoder=JSONEncoder()), store_results=True))
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name="bench", max_retries=0)
def ask() -> str:
    """Ask once."""
    return ask_provider()


@contextmanager
def producing() -> Iterator[Run]:
    """A group of messages, and their results."""

    def run(calls: int) -> None:
        messages = dramatiq.group([ask.message() for _ in range(calls)]).run()
        for _ in messages.get_results(block=True, timeout=int(TIMEOUT * 1000)):
            pass

    yield run
