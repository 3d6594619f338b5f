"""File ended jobs in the background, in every orchestrate worker."""

from __future__ import annotations

from tasks.filing import file_some
from tasks.house import House
from workers.rounds import Rounds

INTERVAL = 0.5


class Filing(Rounds):
    """Looks for jobs that have ended twice a second, and goes on as long as there are some."""

    def __init__(self, house: House) -> None:
        self._house = house
        super().__init__("filing", self.file, INTERVAL)

    def file(self) -> None:
        """File all that are due; raises what `rounds.AWAY` lists."""
        house = self._house
        while file_some(house.database, house.config.privacy.kinds, house.settings.forget_after) and not self.ended:
            pass
