"""A real Valkey, empty for each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
import redis

from tasks.limits import connect_limits
from tests.tasks.limits.setting import Clock
from workers.embedded import EmbeddedBroker


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a database of its own: on the server in MIREPOIX_TEST_BROKER_URL, else on an embedded Valkey."""
    given = os.environ.get("MIREPOIX_TEST_BROKER_URL", "")
    if given.startswith("redis://"):
        yield f"{given.rpartition('/')[0]}/15"
        return
    broker = EmbeddedBroker(tmp_path_factory.mktemp("limits"))
    broker.start()
    try:
        yield broker.url
    finally:
        broker.stop()


@pytest.fixture
def client(server: str) -> Iterator[redis.Redis]:
    """A client of the emptied database."""
    opened = connect_limits(server)
    opened.flushdb()
    yield opened
    opened.close()


@pytest.fixture
def clock(client: redis.Redis) -> Clock:
    """A clock that is turned by hand."""
    return Clock(client)


@pytest.fixture(scope="package")
def elsewhere() -> Iterator[ProcessPoolExecutor]:
    """Two other processes."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        yield pool
