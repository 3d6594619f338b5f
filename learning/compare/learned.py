"""The learned router among the methods: trained, asked through its own doors, and looked at as a file."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from learning.compare.methods import TARGETS, Trial, Tried
from learning.compare.metrics import Floats
from learning.compare.reliability import calibration_error, reliability
from learning.compare.results import RouterFacts
from learning.compare.sweep import CostModel, Sweep, by_threshold, by_value, choices, thresholds
from learning.compare.table import Table, folded
from learning.outcomes import Outcome
from learning.train import FEWEST, train_router
from pipelines.learned.model import LearnedRouter
from pipelines.learned.policy import Aim, choose_model, price_of_quality

CHARACTERS = 2_000
"""Of the queries by which a router is timed."""
WARM, TIMED = 20, 500
"""Queries asked before the clock, and by the clock."""


def try_router(name: str, router: LearnedRouter, trial: Trial, chances: Floats) -> Iterator[Tried]:
    """`router` on unseen questions: for the pair, where it knows both, and among all models that it knows.

    `chances` are what `predict_all` tells of those questions.
    """
    costs = CostModel.of(trial.train).expect(trial.test)
    cheap, strong = trial.pair
    known = [column for column, model in enumerate(trial.test.models) if model in router.models]
    if {cheap, strong} <= set(known):
        scores = chances[:, strong] - chances[:, cheap]
        swept = by_threshold(trial.test, scores, thresholds(scores), trial.pair)
        yield Tried(f"{name}, pair", swept, _aimed(router, trial, chances, [cheap, strong]))
    yield Tried(name, by_value(trial.test, chances, costs, trial.unit), _aimed(router, trial, chances, known))


def _aimed(router: LearnedRouter, trial: Trial, chances: Floats, columns: Sequence[int]) -> dict[float, Sweep]:
    return {target: aim(router, trial.train, trial.test, chances, columns, target) for target in TARGETS}


def aim(
    router: LearnedRouter, train: Table, test: Table, chances: Floats, columns: Sequence[int], target: float
) -> Sweep:
    """What `target_quality` makes of `chances` [questions, models], with the costs that answers had on `train`.

    Models that are not among `columns` are not asked.
    """
    usd = train.cost.mean(axis=0)
    names = {column: test.models[column] for column in columns}
    cost = {name: float(usd[column]) for column, name in names.items()}
    price = price_of_quality(target, cost, router.held_out)
    aimed = Aim(quality_per_usd=price)
    chosen = [
        choose_model({name: row[column] for column, name in names.items()}, cost, aimed, router.held_out).model
        for row in chances
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
