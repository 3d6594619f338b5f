"""What the newest jobs cost, beside what they would have cost all on one model.

All jobs of a month would take a minute to compare. So the pages look at the newest 500 that succeeded, and say so; each
is read once, and remembered for as long as it is among them.
"""

from __future__ import annotations

from datetime import datetime
from threading import Lock

from starlette.requests import Request

from db.baselines import newest_succeeded, read_finished
from mirepoix.config import Config
from mirepoix.ledger.engine import Database
from pipelines.baseline import Comparison, compare, priced_models
from web.house import house_of

MOST_KNOWN = 20_000
"""Jobs; then those are forgotten that are no longer among the newest."""


class Savings:
    """Remembers, by model, how each of the newest jobs compares."""

    def __init__(self, database: Database, config: Config) -> None:
        self.models = priced_models(config)
        self._database = database
        self._config = config
        self._known: dict[str, dict[str, Comparison]] = {model: {} for model in self.models}
        self._lock = Lock()

    def newest(self, model: str, since: datetime) -> Comparison:
        """The newest jobs that were submitted since and succeeded, all together, beside `model`, one of `models`."""
        with self._lock, self._database.read() as connection:
            known, ids = self._known[model], newest_succeeded(connection, since)
            found = {id_: known[id_] for id_ in ids if id_ in known}
            for job in read_finished(connection, [id_ for id_ in ids if id_ not in known]):
                found[job.id] = compare([job], self._config, model)
                if job.settled:
                    known[job.id] = found[job.id]
            if len(known) > MOST_KNOWN:
                self._known[model] = {id_: known[id_] for id_ in ids if id_ in known}
        return sum(found.values(), Comparison(model))


def savings(request: Request) -> Savings:
    """Those that the app of this request remembers."""
    state = request.app.state
    if not hasattr(state, "savings"):
        house = house_of(request)
        state.savings = Savings(house.client.database, house.config)
    known: Savings = state.savings
    return known
