"""Which queue a worker looks into first: the fast lane's, and the bulk lane's only when those are empty."""

from __future__ import annotations

from collections.abc import Iterable

from mirepoix.config import BULK_SUFFIX


class FastFirst:
    """An order of queues for kombu's Redis transport (`queue_order_strategy`): BRPOP takes from the first that has any.

    Queues of one lane take turns.
    """

    def __init__(self) -> None:
        self._queues: list[str] = []

    def update(self, queues: Iterable[str]) -> None:
        """These are consumed from now on."""
        self._queues = sorted(queues, key=_is_bulk)

    def consume(self, count: int) -> list[str]:
        """The first `count` of them."""
        return self._queues[:count]

    def rotate(self, last_used: str) -> str:
        """Let the others of its lane go before the one that a message just came from."""
        if last_used in self._queues:
            self._queues.remove(last_used)
            self._queues.append(last_used)
            self._queues.sort(key=_is_bulk)
        return last_used


def _is_bulk(queue: str) -> bool:
    return queue.endswith(BULK_SUFFIX)
