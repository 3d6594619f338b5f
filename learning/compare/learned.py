"""The learned router among the methods: trained, asked through its own doors, and looked at as a file."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from learning.compare.methods import TARGETS, Trial, Tried
from learning.compare.metrics import Floats
from learning.compare.reliability import calibration_error, reliability
from learning.compare.results import RouterFacts
from learning.compare.sweep import Sweep, by_threshold, by_value, choices, thresholds
from learning.compare.table import Table, folded
from learning.outcomes import Outcome
from learning.tariffs import tariffs_of
from learning.train import FEWEST, train_router
from pipelines.learned.model import LearnedRouter
from pipelines.learned.policy import Aim, Tariff, choose_model, price_of_quality
from pipelines.routers.query import estimate

CHARACTERS = 2_000
"""Of the queries by which a router is timed."""
WARM, TIMED = 20, 500
"""Queries asked before the clock, and by the clock."""


@dataclass(frozen=True, eq=False)
class Said:
    """What a router says of questions: chances, and what answers are expected to cost (USD), [questions, models].

    Models that it does not know have no chance, and are never worth asking.
    """

    chances: Floats
    costs: Floats
    tariffs: Mapping[str, Tariff]


def ask_all(router: LearnedRouter, train: Table, test: Table) -> Said:
    """What `router` says of the questions of `test`, where costs are as on `train`."""
    tariffs = tariffs_of(train.outcomes, train.models)
    said = [router.forecast(question) for question in test.questions]
    tokens = [estimate(question) for question in test.questions]
    chances = [[one.chance.get(model, -np.inf) for model in test.models] for one in said]
    costs = [
        [float(tariffs[model].cost(sent, one.answer_tokens.get(model, 0.0))) for model in test.models]
        for one, sent in zip(said, tokens, strict=True)
    ]
    return Said(np.array(chances), np.array(costs), tariffs)


def try_router(name: str, router: LearnedRouter, trial: Trial, said: Said) -> Iterator[Tried]:
    """`router` on unseen questions: for the pair, where it knows both, and among all models that it knows."""
    chances = said.chances
    cheap, strong = trial.pair
    known = [column for column, model in enumerate(trial.test.models) if model in router.models]
    if {cheap, strong} <= set(known):
        scores = chances[:, strong] - chances[:, cheap]
        swept = by_threshold(trial.test, scores, thresholds(scores), trial.pair)
        yield Tried(f"{name}, pair", swept, _aimed(router, trial, said, [cheap, strong]))
    yield Tried(name, by_value(trial.test, chances, said.costs, trial.unit), _aimed(router, trial, said, known))


def _aimed(router: LearnedRouter, trial: Trial, said: Said, columns: Sequence[int]) -> dict[float, Sweep]:
    return {target: aim(router, trial.test, said, columns, target) for target in TARGETS}


def aim(router: LearnedRouter, test: Table, said: Said, columns: Sequence[int], target: float) -> Sweep:
    """What `target_quality` makes of what was `said` of the questions of `test`; only models at `columns` are asked."""
    names = {column: test.models[column] for column in columns}
    tariffs = {name: said.tariffs[name] for name in names.values()}
    aimed = Aim(quality_per_usd=price_of_quality(target, tariffs, router.held_out))
    chosen = [
        choose_model(
            {name: chances[column] for column, name in names.items()},
            {name: costs[column] for column, name in names.items()},
            aimed,
            tariffs,
            router.held_out,
        ).model
        for chances, costs in zip(said.chances, said.costs, strict=True)
    ]
    return choices(test, np.array([[test.column(model)] for model in chosen]))


def predict_all(router: LearnedRouter, table: Table) -> Floats:
    """The router's chances, [questions, models]; models that it does not know have none, and are never worth asking."""
    found = [router.predict(question) for question in table.questions]
    return np.array([[chance.get(model, -np.inf) for model in table.models] for chance in found])


def train_elsewhere(trial: Trial, outcomes: Sequence[Outcome]) -> LearnedRouter | None:
    """A router of what other files tell of the trial's models; None where they never put a question to two of them.

    Of models that were asked together, those of which most is known. Questions that are asked here are left out there.
    """
    asked = {folded(question) for part in (trial.train, trial.test) for question in part.questions}
    sets = Counter(
        frozenset(outcome.score).intersection(trial.test.models)
        for outcome in outcomes
        if folded(outcome.question) not in asked
    )
    known = {models: sum(sets[other] for other in sets if models <= other) for models in sets if len(models) > 1}
    able = [models for models, count in known.items() if count >= FEWEST]
    if not able:
        return None
    best = max(able, key=lambda models: (len(models) * known[models], sorted(models)))
    learned = [one for one in outcomes if best <= set(one.score) and folded(one.question) not in asked]
    return train_router(learned, [model for model in trial.test.models if model in best], seed=trial.seed)


def facts(router: LearnedRouter, test: Table, chances: Floats) -> RouterFacts:
    """Size, speed and calibration of `router`, by its `chances` for the questions of `test`."""
    bins = {model: reliability(chances[:, m], test.score[:, m]) for m, model in enumerate(test.models)}
    p50, p99 = np.quantile(_times(router, test), [0.5, 0.99])
    return RouterFacts(
        hash=router.hash,
        bytes=len(router.to_bytes()),
        p50_ms=round(1_000 * float(p50), 3),
        p99_ms=round(1_000 * float(p99), 3),
        ece={model: calibration_error(found) for model, found in bins.items()},
        reliability=bins,
    )


def _times(router: LearnedRouter, test: Table) -> list[float]:
    """Seconds for each of 500 queries of 2,000 characters, made of questions one after another."""
    text = "\n".join(test.questions)
    text *= 1 + (WARM + TIMED + CHARACTERS) // max(len(text), 1)
    step = max(1, (len(text) - CHARACTERS) // (WARM + TIMED))
    queries = [text[start * step : start * step + CHARACTERS] for start in range(WARM + TIMED)]
    times = []
    for query in queries:
        begun = time.perf_counter()
        router.predict(query)
        times.append(time.perf_counter() - begun)
    return times[WARM:]
