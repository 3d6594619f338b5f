"""What a worker holds and does not work on goes back to its queue when the worker ends, in its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection
from kombu.message import Message

from mirepoix.queues import queue
from workers.connection import SiftingConnection
from workers.embedded import EmbeddedBroker

NAME = "provider.test"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    """The URL of a Valkey of its own."""
    server = EmbeddedBroker(tmp_path)
    server.start()
    yield server.url
    server.stop()


def take(connection: Connection, count: int) -> list[Message]:
    """Take messages, and keep them."""
    taken: list[Message] = []
    with connection.Consumer(queue(NAME), on_message=taken.append):
        while len(taken) < count:
            connection.drain_events(timeout=5)
    return taken


@pytest.mark.embedded
def test_what_is_held_goes_back_in_order_before_what_waits(broker: str) -> None:
    with SiftingConnection(broker) as connection:
        with connection.Producer() as producer:
            for number in range(5):
                producer.publish({"number": number}, routing_key=NAME, declare=[queue(NAME)])
        channel: Any = connection.default_channel
        channel.basic_qos(0, 4, False)
        _, one, _, three = take(connection, 4)
        assert channel.client.keys("unacked*") == [], "nothing is written down beside the ledger"
        one.ack()
        three.reject(requeue=True)
    with SiftingConnection(broker) as connection:
        back = take(connection, 4)
        assert [message.payload["number"] for message in back] == [0, 2, 4, 3]
        for message in back:
            message.ack()
    with SiftingConnection(broker) as connection:
        held: Any = connection.default_channel
        assert held.client.llen(NAME) == 0


@pytest.mark.embedded
def test_what_is_acknowledged_does_not_come_back_with_what_is_recovered(broker: str) -> None:
    with SiftingConnection(broker) as connection:
        with connection.Producer() as producer:
            for number in range(2):
                producer.publish({"number": number}, routing_key=NAME, declare=[queue(NAME)])
        channel: Any = connection.default_channel
        channel.basic_qos(0, 2, False)
        take(connection, 2)[0].ack()
        channel.basic_recover(requeue=True)
        assert [message.payload["number"] for message in take(connection, 1)] == [1]
        assert channel.client.llen(NAME) == 0
