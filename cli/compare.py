"""What finished jobs would have cost if one model had been asked all their questions."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from db.baselines import AnsweredCall, FinishedJob, cost_of_others, finished_jobs
from db.costs import Scope
from mirepoix.config import Api, Config
from mirepoix.errors import NotFound
from mirepoix.ledger.engine import Database
from mirepoix.prices import cost, require_price
from mirepoix.strict import unknown
from pipelines.baseline import asked_once


@dataclass(frozen=True, slots=True)
class Comparison:
    """Of `jobs` that succeeded: their `cost`, with all that failed, judged and was asked again on the way; and
    `baseline`, what each of their questions asked once of `model` would have cost. `others` is the cost of all other
    jobs. USD.
    """

    model: str
    jobs: int
    cost: Decimal
    baseline: Decimal
    others: Decimal

    @property
    def saved(self) -> Decimal:
        """Below 0 where the mix cost more."""
        return self.baseline - self.cost


def compare(database: Database, config: Config, model: str, scope: Scope) -> Comparison:
    """Compare the jobs that were submitted in `scope` with all of them on `model`; raises NotFound, ConfigError."""
    if model not in config.models:
        raise NotFound(unknown(f"model {model!r}", model, config.models))
    provider = config.providers[config.provider_of(model)]
    require_price(model, config.models[model], provider.api, provider.prices_of)
    jobs, spent, alone = 0, Decimal(0), Decimal(0)
    with database.read() as connection:
        for job in finished_jobs(connection, scope):
            jobs, spent, alone = jobs + 1, spent + job.cost, alone + _alone(config, model, job)
        return Comparison(model, jobs, spent, alone, cost_of_others(connection, scope))


def _alone(config: Config, model: str, job: FinishedJob) -> Decimal:
    return asked_once(job.steps, {path: _price(config, model, call) for path, call in job.calls.items()})


def _price(config: Config, model: str, call: AnsweredCall) -> Decimal:
    """What the call would have cost on `model`.

    One that a cache served would have been served there too. One of an in-process model (OCR, a classifier) would have
    been made all the same, and costs what it cost.
    """
    if call.cached:
        return Decimal(0)
    asked = config.providers.get(call.provider)
    if asked is not None and asked.api is Api.PYTHON:
        return call.cost
    provider = config.providers[config.provider_of(model)]
    return cost(config.models[model], provider.api, call.usage, provider.prices_of)
