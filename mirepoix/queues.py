"""The names that producers and workers agree on: the exchange, the queues and the tasks."""

from __future__ import annotations

from kombu import Exchange, Queue

from mirepoix.config import ORCHESTRATE

EXCHANGE = Exchange("mirepoix", type="direct", durable=True)

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
    """A durable queue of the house, bound to its exchange by its own name."""
    return Queue(name, EXCHANGE, routing_key=name, durable=True)


def all_queues(providers: list[str]) -> list[Queue]:
    """The orchestrators' queue and one for each provider."""
    return [queue(ORCHESTRATE), *(queue(queue_name(provider)) for provider in providers)]
