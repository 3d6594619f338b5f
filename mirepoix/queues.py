"""The names that producers and workers agree on: the exchange, the queues and the tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kombu import Exchange, Queue

from mirepoix.config import BULK_SUFFIX, ORCHESTRATE
from mirepoix.states import Lane

EXCHANGE = Exchange("mirepoix", type="direct", durable=True)
QUORUM = {"x-queue-type": "quorum"}

START = "mirepoix.start"
CALL = "mirepoix.call"
ROUTE = "mirepoix.route"
GATE = "mirepoix.gate"
REDUCE = "mirepoix.reduce"
EXPAND = "mirepoix.expand"
GO_ON = "mirepoix.go_on"
BATCH = "mirepoix.batch"

A_MESSAGE = 8


def queue_name(provider: str | None, lane: Lane = Lane.FAST) -> str:
    """The queue of `lane` that the calls of `provider` wait in; the orchestrators' queue when None."""
    name = ORCHESTRATE if provider is None else f"provider.{provider}"
    return name if lane is Lane.FAST else name + BULK_SUFFIX


def both_lanes(provider: str | None) -> list[str]:
    """The queues that a worker of `provider` consumes, those to be served first in front."""
    return [queue_name(provider, lane) for lane in (Lane.FAST, Lane.BULK)]


def in_messages(job_ids: Sequence[str]) -> Iterator[list[str]]:
    """Job ids as many as are started by one message: each has 26 bytes, and one thread starts them in a row."""
    for first in range(0, len(job_ids), A_MESSAGE):
        yield list(job_ids[first : first + A_MESSAGE])


def shown_ids(job_ids: Sequence[str]) -> str:
    """How Flower shows the arguments of a start."""
    return f"({' '.join(job_ids)})"


def queue(name: str) -> Queue:
    """A durable queue of the house, bound to its exchange by its own name.

    On RabbitMQ it is a quorum queue: what was confirmed is on disk, and survives a broker that is killed. Redis passes
    over the argument.
    """
    return Queue(name, EXCHANGE, routing_key=name, durable=True, queue_arguments=QUORUM)


def all_queues(providers: list[str]) -> list[Queue]:
    """The orchestrators' queues and those of each provider."""
    return [queue(name) for provider in [None, *providers] for name in both_lanes(provider)]
