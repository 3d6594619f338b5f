"""Stop canaries that fail more often than what they are to replace. Runs in every orchestrate worker."""

from __future__ import annotations

import structlog

from db.canaries import count_ends, side_figures, stop_canary
from mirepoix.ledger.canaries import read_canary
from mirepoix.rollouts import NextVersion
from pipelines.canaries import judge_canary
from tasks.house import House
from workers.rounds import Rounds

INTERVAL = 1.0

log = structlog.get_logger("mirepoix")


class CanaryWatch(Rounds):
    """Looks at each canary that runs; of several watches one stops it, for all."""

    def __init__(self, house: House) -> None:
        self._house = house
        following = {name: house.config.next_version(name) for name in house.config.rollouts}
        self._canaries = {name: new for name, new in following.items() if new is not None and new.rollout.canary}
        super().__init__("canaries", self._look, INTERVAL)

    def _look(self) -> None:
        for pipeline, new in self._canaries.items():
            self._look_at(pipeline, new)

    def _look_at(self, pipeline: str, new: NextVersion) -> None:
        with self._house.database.read() as connection:
            standing = read_canary(connection, pipeline, new.version)
            if standing is None or not standing.runs:
                return
            sides = count_ends(connection, standing)
        verdict = judge_canary(sides.canary, sides.base)
        if verdict is None or not verdict.stops:
            return
        with self._house.database.write() as connection:
            alerts = self._house.config.alerts
            stopped = stop_canary(connection, standing, verdict.reason, side_figures(sides), alerts)
        if stopped:
            log.warning("a canary is stopped", pipeline=pipeline, canary=standing.target, reason=verdict.reason)
