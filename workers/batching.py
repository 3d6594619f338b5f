"""Send batches that are due to the queues of their providers, whose workers look after them.

Runs in every orchestrate worker. A batch that nobody takes is sent again; the claim decides who has it.
"""

from __future__ import annotations

from db.batches import has_due_batches, take_due_batches
from pipelines.canvas import batch_signature
from tasks.house import House
from workers.rounds import Rounds

INTERVAL = 0.5
AT_ONCE = 100


class BatchRounds(Rounds):
    """Looks for batches that are due twice a second."""

    def __init__(self, house: House) -> None:
        self._house = house
        super().__init__("batching", self.send_due, INTERVAL)

    def send_due(self) -> None:
        """Publish all that are due; raises what `rounds.AWAY` lists."""
        with self._house.database.read() as connection:
            if not has_due_batches(connection):
                return
        with self._house.database.write() as connection:
            due = take_due_batches(connection, list(self._house.config.providers), AT_ONCE)
        for batch_id, provider in due:
            batch_signature(self._house.app, batch_id, provider).apply_async()
