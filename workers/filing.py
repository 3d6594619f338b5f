"""File ended jobs in the background, in every orchestrate worker."""

from __future__ import annotations

from tasks.ended import tell_cancelled
from tasks.filing import BATCH, file_some
from tasks.house import House
from workers.rounds import Rounds

INTERVAL = 0.5


class Filing(Rounds):
    """Looks for jobs that have ended twice a second, and goes on as long as there may be more."""

    def __init__(self, house: House) -> None:
        self._house = house
        super().__init__("filing", self.file, INTERVAL)

    def file(self) -> None:
        """File all that are due; raises what `rounds.AWAY` lists."""
        house, more = self._house, True
        while more and not self.ended:
            filed = file_some(house.database, house.config.privacy.kinds, house.settings.forget_after)
            tell_cancelled(house, filed)
            more = len(filed) >= BATCH
