"""Make a router of recorded outcomes.

Models' scores are turned to their principal components first: for two models, roughly how hard a question is, and what
the stronger gains. Each component is learned by ridge regression with the strength that predicts held-out questions
best, since the gain, which routing rests on, is much harder to see than the difficulty. Where questions are of known
tasks, the words also tell the task, and the task what each model is worth; held-out questions tell how far to trust
either (stacking, Wolpert 1992). How long each model's answer will be is learned beside, since it decides the price.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.sparse import csr_matrix, hstack

from learning.outcomes import Outcome
from learning.ridge import fit_ridge
from mirepoix.errors import InputError
from pipelines.learned.features import BUCKETS, form, hashed
from pipelines.learned.model import LENGTHS, MOST_TASKS, LearnedRouter, as_chances, as_lengths, task_shares, unit
from pipelines.learned.policy import HeldOut
from pipelines.routers.query import estimate

FEWEST = 20
"""With fewer questions there is nothing to learn from."""
FOLDS = 5
STRENGTHS = (4.0, 20.0, 100.0)
TASK_STRENGTH = 1.0
LENGTH_STRENGTH = 8.0
FORM_WEIGHT = 0.1
"""A measure of form beside a word, whose weights make a length of 1 together."""
PRIOR = 5.0
"""A task's questions count as if there were so many more, of average outcome."""
FEWEST_OF_A_TASK = 10
TINY = 1e-9
HELD_OUT = 4_000
"""Questions whose predictions a router carries, at most."""

Array = NDArray[np.floating[Any]]


def train_router(outcomes: Sequence[Outcome], models: Sequence[str], *, seed: int = 1) -> LearnedRouter:
    """Learn from `outcomes` the chance that each of `models` is right; the same input gives the same bytes.

    Raises InputError where there are too few outcomes, or one lacks a score of one of the models.
    """
    if len(outcomes) < FEWEST:
        raise InputError(f"a router needs at least {FEWEST} questions to learn from, not {len(outcomes)}.")
    if not models or len(set(models)) < len(models):
        raise InputError("a router needs the names of its models, each once.")
    scores = np.array([[_score(outcome, model) for model in models] for outcome in outcomes], np.float32)
    rarity, words = _weigh_words([outcome.question for outcome in outcomes])
    forms = np.array([form(outcome.question) for outcome in outcomes])
    mean, scale = forms.mean(axis=0), forms.std(axis=0) + 1e-3
    features = hstack([words, csr_matrix((forms - mean) / scale * FORM_WEIGHT)], format="csr", dtype=np.float32)
    length, longer = _lengths(outcomes, models)
    learned = _Learner(features, scores, _tasks(outcomes), longer).learn(np.random.default_rng(seed))
    kept = np.random.default_rng(seed).permutation(len(scores))[:HELD_OUT]
    tokens = np.array([estimate(outcome.question) for outcome in outcomes], np.float32)
    evidence = learned.chances, scores, tokens, as_lengths(learned.longer, length)
    return LearnedRouter(
        models=tuple(models),
        rarity=rarity,
        form_mean=mean,
        form_scale=scale,
        words=learned.weights[:BUCKETS].astype(np.float16),
        forms=learned.weights[BUCKETS:] * FORM_WEIGHT,
        bias=learned.bias,
        length=length,
        worth=learned.worth,
        held_out=HeldOut(tuple(models), *(part[kept] for part in evidence)),
    )


@dataclass(frozen=True)
class _Learned:
    """Parts of a router, and what is said of questions held out: `chances`, and how much `longer` answers are."""

    weights: Array
    bias: Array
    worth: Array
    chances: Array
    longer: Array


@dataclass(frozen=True)
class _Fit:
    """What one regression gave: weights, their targets' means, and the worth of components at tasks."""

    weights: Array
    bias: Array
    worth: Array


class _Learner:
    """Learns from `features` [questions, features] what is known of the questions.

    That is `scores` [questions, models], `tasks` [questions, tasks], and by what share of its mean each model's answer
    is `longer` [questions, models].
    """

    def __init__(self, features: csr_matrix, scores: Array, tasks: Array, longer: Array) -> None:
        self._features, self._tasks, self._longer = features, tasks, longer
        self._mean = scores.mean(axis=0)
        self._axes = np.linalg.eigh(np.atleast_2d(np.cov((scores - self._mean).T)))[1].astype(np.float32)
        self._components = (scores - self._mean) @ self._axes
        self._size = len(scores[0])

    def learn(self, random: np.random.Generator) -> _Learned:
        """Learn from all questions, by what those that are held out in turn tell."""
        own, by_task, longer = self._held_out(random)
        picked, trust, predicted = self._stack(own, by_task)
        whole = self._fit(np.arange(len(self._components)))
        columns = [strength * self._size + component for component, strength in enumerate(picked)]
        turned = (trust[0][:, None] * self._axes.T).astype(np.float32)
        worth = whole.worth @ (trust[1][:, None] * self._axes.T)
        _, of_tasks, _ = self._split(whole.bias)
        return _Learned(
            weights=np.hstack([whole.weights[:, columns] @ turned, *self._split(whole.weights)[1:]]),
            bias=np.concatenate([whole.bias[columns] @ turned + self._mean, of_tasks]),
            worth=worth.astype(np.float32),
            chances=as_chances(predicted @ self._axes.T + self._mean, np.zeros((0, self._size), np.float32)),
            longer=longer,
        )

    def _split(self, columns: Array) -> list[Array]:
        """The columns of components at each strength, of tasks, and of lengths."""
        end = len(STRENGTHS) * self._size
        return np.split(columns, [end, end + self._tasks.shape[1]], axis=-1)

    def _fit(self, rows: NDArray[np.int64]) -> _Fit:
        components, tasks = self._components[rows], self._tasks[rows]
        targets = np.hstack([np.tile(components, (1, len(STRENGTHS))), tasks, self._longer[rows]])
        bias = targets.mean(axis=0)
        each = [*STRENGTHS, TASK_STRENGTH, LENGTH_STRENGTH]
        strength = np.repeat(each, [*[self._size] * len(STRENGTHS), tasks.shape[1], self._size])
        weights = fit_ridge(self._features[rows], targets - bias, strength.astype(np.float32))
        worth = tasks.T @ (components - components.mean(axis=0)) / (tasks.sum(axis=0)[:, None] + PRIOR)
        return _Fit(weights, bias, worth)

    def _held_out(self, random: np.random.Generator) -> tuple[Array, Array, Array]:
        """Of questions that were not learned from: components [strengths, questions, models], by task, and lengths."""
        own = np.zeros((len(STRENGTHS), *self._components.shape), np.float32)
        by_task, longer = np.zeros_like(self._components), np.zeros_like(self._longer)
        for learn, test in _folds(len(self._components), random):
            fit = self._fit(learn)
            said, tasks, longer[test] = self._split(self._features[test] @ fit.weights + fit.bias)
            own[:, test] = said.reshape(len(test), len(STRENGTHS), self._size).swapaxes(0, 1)
            if self._tasks.shape[1]:
                by_task[test] = task_shares(tasks) @ fit.worth
        return own, by_task, longer

    def _stack(self, own: Array, by_task: Array) -> tuple[list[int], Array, Array]:
        """For each component the best strength, how far to trust words and task, and what both then predict."""
        picked, trust, predicted = [], np.zeros((2, self._size), np.float32), np.zeros_like(self._components)
        for component in range(self._size):
            actual = self._components[:, component]
            pairs = [np.column_stack([said[:, component], by_task[:, component]]) for said in own]
            fitted = [nnls(pair, actual) for pair in pairs]
            best = int(np.argmin([error for _, error in fitted]))
            picked.append(best)
            trust[:, component] = fitted[best][0]
            predicted[:, component] = pairs[best] @ trust[:, component]
        return picked, trust, predicted


def _score(outcome: Outcome, model: str) -> float:
    if model not in outcome.score:
        raise InputError(f"outcome {outcome.id!r} has no score of {model!r}.")
    return outcome.score[model]


def _weigh_words(texts: Sequence[str]) -> tuple[Array, csr_matrix]:
    """How rare each bucket is (idf), and the texts' words weighed by it, [questions, BUCKETS]."""
    pieces = [hashed(text) for text in texts]
    spread = np.bincount(np.concatenate([buckets for buckets, _ in pieces]), minlength=BUCKETS)
    rarity = (np.log((1 + len(texts)) / (1 + spread)) + 1).astype(np.float32)
    values = np.concatenate([unit(counts * rarity[buckets]) for buckets, counts in pieces])
    ends = np.cumsum([0, *(len(buckets) for buckets, _ in pieces)])
    columns = np.concatenate([buckets for buckets, _ in pieces])
    return rarity, csr_matrix((values, columns, ends), shape=(len(texts), BUCKETS))


def _tasks(outcomes: Sequence[Outcome]) -> Array:
    """[questions, tasks]: 1 where a question is of a task that is common enough; no tasks where there is but one."""
    counts = Counter(outcome.task for outcome in outcomes if outcome.task is not None)
    common = sorted(task for task, number in counts.most_common(MOST_TASKS) if number >= FEWEST_OF_A_TASK)
    if len(common) < 2:
        return np.zeros((len(outcomes), 0), np.float32)
    return np.array([[outcome.task == task for task in common] for outcome in outcomes], np.float32)


def _lengths(outcomes: Sequence[Outcome], models: Sequence[str]) -> tuple[Array, Array]:
    """The mean tokens of each model's answers, 0 where none are known; by what share of it each is longer.

    One that is not known counts as of mean length. Few answers are far longer than all others, and would decide alone.
    """
    told = np.array([[outcome.out_tokens.get(model, np.nan) for model in models] for outcome in outcomes], np.float32)
    known = np.isfinite(told)
    length = np.where(known, told, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    relative = np.minimum(np.where(known, told, length) / np.maximum(length, TINY), LENGTHS[1])
    return length, (relative - relative.mean(axis=0)).astype(np.float32)


def _folds(size: int, random: np.random.Generator) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Questions to learn from and to test on, `FOLDS` times."""
    fold = random.permutation(size) % FOLDS
    for number in range(FOLDS):
        yield np.flatnonzero(fold != number), np.flatnonzero(fold == number)
