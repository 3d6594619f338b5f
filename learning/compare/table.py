"""Recorded outcomes as arrays: which of the models is right on which question, and at what cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from learning.cascades import groups_in
from learning.compare.metrics import Floats
from learning.outcomes import Outcome
from mirepoix.errors import InputError

ENOUGH = 0.8
"""A model is compared if so large a share of a file's questions was put to it."""
FEWEST_MODELS = 2
Rows = NDArray[np.intp]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False, slots=True)
class Table:
    """Questions that were put to all `models`: `score` 0..1 and `cost` in USD, [questions, models].

    Costs are floats here, since they are only averaged; nobody is billed by them. `said` is a number for each answer,
    [questions, models]: the same where two models say the same, -1 where one is silent. `vectors` are the questions'
    embeddings, [questions, dimensions], with no dimension until they are `embedded`.
    """

    name: str
    models: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    score: Floats
    cost: Floats
    said: Ints
    vectors: Floats

    def __len__(self) -> int:
        """How many questions."""
        return len(self.outcomes)

    @property
    def questions(self) -> list[str]:
        """The texts."""
        return [outcome.question for outcome in self.outcomes]

    def rows(self, rows: Rows) -> Table:
        """The questions at `rows`, in that order."""
        chosen = tuple(self.outcomes[row] for row in rows)
        score, cost, vectors = (values[rows] for values in (self.score, self.cost, self.vectors))
        return Table(self.name, self.models, chosen, score, cost, self.said[rows], vectors)

    def embedded(self, embed: Callable[[list[str]], list[list[float]]]) -> Table:
        """With vectors of length 1."""
        found = np.asarray(embed(self.questions), float).reshape(len(self), -1)
        return replace(self, vectors=found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9))

    def column(self, model: str) -> int:
        """The place of `model`."""
        return self.models.index(model)

    @property
    def strong(self) -> int:
        """The best single model; of equals the cheapest."""
        return min(range(len(self.models)), key=lambda m: (-self.score[:, m].mean(), self.cost[:, m].mean()))

    @property
    def cheap(self) -> int:
        """The cheapest model; of equals the best."""
        return min(range(len(self.models)), key=lambda m: (self.cost[:, m].mean(), -self.score[:, m].mean()))


def models_with_costs(name: str, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """The models that were asked most questions at a known cost, in the order of their first.

    Raises InputError where there are fewer than two.
    """
    asked = Counter(model for outcome in outcomes for model in outcome.score)
    priced = Counter(model for outcome in outcomes for model in outcome.score if model in outcome.cost)
    found = tuple(model for model in asked if priced[model] >= ENOUGH * len(outcomes))
    if len(found) < FEWEST_MODELS:
        without = [model for model in asked if priced[model] < ENOUGH * asked[model]]
        hint = f" No cost is known of {', '.join(without)}: give --prices." if without else ""
        raise InputError(
            f"{name}: there is nothing to choose: models with outcomes and costs for at least {ENOUGH:.0%} of its "
            f"{len(outcomes)} questions: {', '.join(found) or 'none'}.{hint}"
        )
    return found


def table_of(name: str, outcomes: Sequence[Outcome], models: Sequence[str]) -> Table:
    """Those `outcomes` that tell score and cost of all `models`."""
    whole = tuple(
        outcome for outcome in outcomes if all(model in outcome.score and model in outcome.cost for model in models)
    )
    score = np.array([[outcome.score[model] for model in models] for outcome in whole], float)
    cost = np.array([[float(outcome.cost[model]) for model in models] for outcome in whole], float)
    said = np.array([groups_in(outcome, models) for outcome in whole], np.int64)
    shape = (len(whole), len(models))
    arrays = score.reshape(shape), cost.reshape(shape), said.reshape(shape), np.empty((len(whole), 0))
    return Table(name, tuple(models), whole, *arrays)


def folded(question: str) -> str:
    """The question as it is told apart from others: without case and spacing."""
    return " ".join(question.casefold().split())


def halves_by_hash(table: Table) -> tuple[Rows, Rows]:
    """The benchmark's own split: a question is for training where the SHA-256 of its id ends in an even byte."""
    even = np.array([sha256(outcome.id.encode()).digest()[-1] % 2 == 0 for outcome in table.outcomes])
    return np.flatnonzero(even), np.flatnonzero(~even)


def folds_by_hash(table: Table, count: int) -> Iterator[tuple[Rows, Rows]]:
    """What to learn from and what to predict: a question's fold is the SHA-256 of its id, modulo `count`."""
    fold = np.array([int.from_bytes(sha256(outcome.id.encode()).digest()) % count for outcome in table.outcomes])
    for number in np.unique(fold):
        yield np.flatnonzero(fold != number), np.flatnonzero(fold == number)


def random_halves(questions: int, splits: int, seed: int) -> Iterator[tuple[Rows, Rows]]:
    """Two halves of as many questions, in another way each time."""
    random = np.random.default_rng(seed)
    for _ in range(splits):
        order = random.permutation(questions)
        yield np.sort(order[: questions // 2]), np.sort(order[questions // 2 :])


def folds(questions: int, count: int, seed: int) -> Iterator[tuple[Rows, Rows]]:
    """What to learn from and what to predict, so that each question is predicted once by what never saw it."""
    fold = np.random.default_rng(seed).permutation(questions) % count
    for number in range(count):
        yield np.flatnonzero(fold != number), np.flatnonzero(fold == number)
