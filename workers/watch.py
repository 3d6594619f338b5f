"""Give up calls in flight that nobody needs any more.

Their job has ended (it was cancelled, its deadline passed, its budget is spent), or the ensemble or chain around them.
"""

from __future__ import annotations

from db.steps import read_given_up, read_wanted
from mirepoix.ledger.read import read_states
from tasks.house import House
from workers.rounds import Rounds

INTERVAL = 0.75
"""What is not needed is to be given up within two seconds."""


class Watch(Rounds):
    """Asks the ledger about the calls in hand here; idle when there are none."""

    def __init__(self, house: House) -> None:
        self._house = house
        super().__init__("watch", self._look, INTERVAL)

    def _look(self) -> None:
        """One query tells which calls are wanted, mostly all; what is left is looked into call by call."""
        calls = self._house.flights.steps()
        if not calls:
            return
        with self._house.database.read() as connection:
            steps = sorted(calls - read_wanted(connection, self._house.worker_id))
            states = read_states(connection, sorted({job_id for job_id, _ in steps}))
            given_up = read_given_up(connection, steps)
        self._house.flights.end_jobs({job_id for job_id, state in states.items() if state.terminal})
        self._house.flights.end_steps(given_up)
