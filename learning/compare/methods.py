"""The ways to choose a model that are compared, each tried in all its settings on unseen questions.

What a method learns, and which of its settings a target of quality asks for, comes from the training half alone. A
setting is chosen where the method was not trained: rivals predict the training half in folds, the learned router
carries the questions that its training held out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from learning.compare import rivals
from learning.compare.factorisation import by_factorisation
from learning.compare.metrics import Floats
from learning.compare.rivals import Chances, Pair, Scores
from learning.compare.sweep import CostModel, Sweep, always, by_threshold, by_value, random_mix, thresholds
from learning.compare.table import Table, folds
from pipelines.learned.ways import cheapest_safe

TARGETS = (1.0, 0.99, 0.98, 0.95)
"""Shares of the best single model's quality."""
FOLDS = 2


@dataclass(frozen=True, eq=False, slots=True)
class Tried:
    """A method on unseen questions: in all its settings, and in those that the targets chose."""

    method: str
    sweep: Sweep
    chosen: Mapping[float, Sweep] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, slots=True)
class Trial:
    """What all methods are given: a half to learn from and one to answer, and the pair (cheap, strong) of the first."""

    train: Table
    test: Table
    seed: int

    @property
    def pair(self) -> Pair:
        """The cheapest and the best model, as the training half tells."""
        return self.train.cheap, self.train.strong

    @property
    def unit(self) -> float:
        """USD for a question to the strong model."""
        return max(float(self.train.cost[:, self.train.strong].mean()), 1e-12)

    def choose(self, on_train: Sweep, on_test: Sweep) -> dict[float, Sweep]:
        """For each target the setting that the training half chooses, as it does on unseen questions."""
        strong = self.train.score[:, self.train.strong]
        return {target: on_test.setting(on_train.cheapest(target, strong)) for target in TARGETS}


def simple_methods(trial: Trial) -> Iterator[Tried]:
    """Those that learn nothing of questions."""
    cheap, strong = trial.pair
    for name, model in (("always cheap", cheap), ("always strong", strong)):
        alone = always(trial.test, model)
        yield Tried(name, alone, dict.fromkeys(TARGETS, alone))
    mixed = random_mix(trial.train, trial.pair), random_mix(trial.test, trial.pair)
    yield _chosen_on_train("random mix", trial, *mixed)


def published_routers(trial: Trial) -> Iterator[Tried]:
    """What the learned router is measured against."""
    pairs: dict[str, Scores] = {
        "complexity": rivals.by_complexity,
        "similarity-weighted": rivals.by_similarity,
        "matrix factorisation": by_factorisation,
    }
    for name, score in pairs.items():
        of_pair = partial(score, pair=trial.pair)
        yield _pair_router(name, trial, _in_folds(trial, of_pair), of_pair(trial.train, trial.test))
    many: dict[str, Chances] = {"tf-idf": rivals.by_tf_idf, "neighbours": rivals.by_neighbours}
    for name, chances in many.items():
        yield from _many_router(name, trial, _in_folds(trial, chances), chances(trial.train, trial.test))


def oracle(trial: Trial) -> Tried:
    """The cheapest of the models that are most right on each question: what no router can surpass.

    Its settings are chosen in hindsight as well: the cheapest that reaches the target.
    """
    swept = by_value(trial.test, trial.test.score, trial.test.cost, trial.unit)
    relative = swept.quality.mean(axis=0) / max(float(trial.test.score[:, trial.train.strong].mean()), 1e-9)
    usd = swept.cost.mean(axis=0)
    return Tried("oracle", swept, {target: swept.setting(cheapest_safe(relative, usd, target)) for target in TARGETS})


def _in_folds(trial: Trial, predict: Callable[[Table, Table], Floats]) -> Floats:
    """What `predict` says of each question of the training half when it has learned from the others."""
    parts: list[Floats] = []
    places: list[Sequence[int]] = []
    for learn, held_out in folds(len(trial.train), FOLDS, trial.seed):
        parts.append(predict(trial.train.rows(learn), trial.train.rows(held_out)))
        places.append(held_out.tolist())
    return np.concatenate(parts)[np.argsort(np.concatenate(places))]


def _pair_router(name: str, trial: Trial, known: Floats, scores: Floats) -> Tried:
    """A router of a pair by its scores on the training half and on unseen questions.

    Bounds that the targets choose come from the first; a curve goes through all shares of the second, since scores
    that were learned from half as many questions may lie elsewhere.
    """
    bounds = thresholds(known)
    chosen = trial.choose(
        by_threshold(trial.train, known, bounds, trial.pair), by_threshold(trial.test, scores, bounds, trial.pair)
    )
    return Tried(name, by_threshold(trial.test, scores, thresholds(scores), trial.pair), chosen)


def _many_router(name: str, trial: Trial, known: Floats, chances: Floats) -> Iterator[Tried]:
    """A router of all models by its chances, and what the same chances are worth for the pair."""
    cheap, strong = trial.pair
    yield _pair_router(
        f"{name}, pair", trial, known[:, strong] - known[:, cheap], chances[:, strong] - chances[:, cheap]
    )
    costs = CostModel.of(trial.train)
    yield _chosen_on_train(
        name,
        trial,
        by_value(trial.train, known, costs.expect(trial.train), trial.unit),
        by_value(trial.test, chances, costs.expect(trial.test), trial.unit),
    )


def _chosen_on_train(name: str, trial: Trial, on_train: Sweep, on_test: Sweep) -> Tried:
    return Tried(name, on_test, trial.choose(on_train, on_test))
