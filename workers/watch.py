"""Give up calls in flight whose job has ended: it was cancelled, its deadline passed, or its budget is spent."""

from __future__ import annotations

from mirepoix.ledger.read import read_states
from tasks.house import House
from workers.rounds import Rounds

INTERVAL = 0.75
"""An ended job's calls are to be given up within two seconds."""


class Watch(Rounds):
    """Asks the ledger about the jobs with a call in hand here; idle when there are none."""

    def __init__(self, house: House) -> None:
        self._house = house
        super().__init__("watch", self._look, INTERVAL)

    def _look(self) -> None:
        jobs = self._house.flights.jobs()
        if not jobs:
            return
        with self._house.database.read() as connection:
            states = read_states(connection, sorted(jobs))
        self._house.flights.end_jobs({job_id for job_id, state in states.items() if state.terminal})
