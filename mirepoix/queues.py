"""The names that producers and workers agree on: the exchange, the queues and the tasks."""

from __future__ import annotations

from kombu import Exchange, Queue

from mirepoix.config import ORCHESTRATE

EXCHANGE = Exchange("mirepoix", type="direct", durable=True)
QUORUM = {"x-queue-type": "quorum"}

START = "mirepoix.start"
CALL = "mirepoix.call"
ROUTE = "mirepoix.route"
GATE = "mirepoix.gate"
REDUCE = "mirepoix.reduce"
EXPAND = "mirepoix.expand"
GO_ON = "mirepoix.go_on"


def queue_name(provider: str) -> str:
    """The queue that the calls of `provider` wait in."""
    return f"provider.{provider}"


def queue(name: str) -> Queue:
    """A durable queue of the house, bound to its exchange by its own name.

    On RabbitMQ it is a quorum queue: what was confirmed is on disk, and survives a broker that is killed. Redis passes
    over the argument.
    """
    return Queue(name, EXCHANGE, routing_key=name, durable=True, queue_arguments=QUORUM)


def all_queues(providers: list[str]) -> list[Queue]:
    """The orchestrators' queue and one for each provider."""
    return [queue(ORCHESTRATE), *(queue(queue_name(provider)) for provider in providers)]
