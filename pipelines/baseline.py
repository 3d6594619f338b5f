"""What jobs would have cost if one model had been asked all their questions.

Which of a job's calls stand for its question asked once: those that one model alone would have had to answer too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

from mirepoix.answered import AnsweredCall, AnsweredStep, FinishedJob
from mirepoix.config import Api, Config
from mirepoix.errors import ConfigError, NotFound
from mirepoix.prices import Usage, cost, require_price
from mirepoix.strict import unknown

TYPICAL = Usage(input=1_000, output=1_000)
"""By which models are told dear from cheap."""
CANDIDATES = {"cascade": "tiers", "ensemble": "members"}
"""Kinds whose children are answers to one and the same question, and how those are called (mirepoix/paths.py)."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Of `jobs` that succeeded: their `cost`, with all that failed, judged and was asked again on the way; and
    `baseline`, what each of their questions asked once of `model` would have cost. USD.
    """

    model: str
    jobs: int = 0
    cost: Decimal = Decimal(0)
    baseline: Decimal = Decimal(0)

    @property
    def saved(self) -> Decimal:
        """Below 0 where the mix cost more."""
        return self.baseline - self.cost

    @property
    def saved_percent(self) -> Decimal:
        """Of the baseline, to a tenth; 0 of nothing."""
        return round(100 * self.saved / self.baseline, 1) if self.baseline else Decimal(0)

    def __add__(self, other: Comparison) -> Comparison:
        """Both together; they are of the same model."""
        return Comparison(self.model, self.jobs + other.jobs, self.cost + other.cost, self.baseline + other.baseline)


def compare(jobs: Iterable[FinishedJob], config: Config, model: str) -> Comparison:
    """Compare `jobs` with all of them on `model`; raises NotFound, ConfigError."""
    if model not in config.models:
        raise NotFound(unknown(f"model {model!r}", model, config.models))
    provider = config.providers[config.provider_of(model)]
    require_price(model, config.models[model], provider.api, provider.prices_of)
    found = Comparison(model)
    for job in jobs:
        alone = {path: _price(config, model, call) for path, call in job.calls.items()}
        found += Comparison(model, 1, job.cost, asked_once(job.steps, alone))
    return found


def priced_models(config: Config) -> list[str]:
    """The models that are asked over a network and whose price is known, the dearest first."""
    prices: dict[str, Decimal] = {}
    for key, model in config.models.items():
        provider = config.providers[model.provider]
        if provider.api is not Api.PYTHON:
            with suppress(ConfigError):
                prices[key] = cost(model, provider.api, TYPICAL, provider.prices_of)
    return sorted(prices, key=lambda key: (-prices[key], key))


def asked_once(steps: Sequence[AnsweredStep], costs: Mapping[str, Decimal]) -> Decimal:
    """What the answered questions of a job cost when each is asked once; `costs` is what a call costs, by its path.

    Each link of a chain, each item of a map and the branch of a route is a question of its own. The tiers of a cascade
    are one question, that of the tier whose answer stood; so are the members of an ensemble, that of the cheapest
    among those whose answer it gave, or among all where it made a new one of them. Judges, aggregators, samples and
    answers that were thrown away are what one model alone does not need. A call without a cost counts as 0.
    """
    below: dict[str | None, list[AnsweredStep]] = defaultdict(list)
    for step in steps:
        below[step.parent].append(step)
    return sum((_once(root, below, costs) for root in below[None]), Decimal(0))


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


def _once(step: AnsweredStep, below: Mapping[str | None, list[AnsweredStep]], costs: Mapping[str, Decimal]) -> Decimal:
    if step.kind == "call":
        return costs.get(step.path, Decimal(0))
    children = below.get(step.path, [])
    if step.kind not in CANDIDATES:
        return sum((_once(child, below, costs) for child in children), Decimal(0))
    name = CANDIDATES[step.kind]
    answers = [child for child in children if _name(child, step) == name]
    standing = [child for child in answers if child.output_hash == step.output_hash] or answers
    if step.kind == "cascade":
        standing = sorted(standing, key=lambda child: child.position)[-1:]
    return min((_once(child, below, costs) for child in standing), default=Decimal(0))


def _name(child: AnsweredStep, parent: AnsweredStep) -> str:
    """`members` for `analyse.members.1` below `analyse`."""
    below = child.path if parent.parent is None else child.path.removeprefix(f"{parent.path}.")
    return below.partition(".")[0]
