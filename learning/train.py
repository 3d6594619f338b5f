"""Make a router of recorded outcomes.

Models' scores are turned to their principal components first: for two models, roughly how hard a question is, and what
the stronger gains. Each component is learned by ridge regression with the strength that predicts held-out questions
best, since the gain, which routing rests on, is much harder to see than the difficulty; all components but the greatest
share one, since each alone is little but noise. That is done with words and form, and with words alone, and the mean is
kept: which is better differs, and the mean is nowhere much worse. Where questions are of known tasks, the words also
tell the task, and the task what each model is worth; held-out questions tell how far to trust either (stacking, Wolpert
1992).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
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
FORM_WEIGHTS = (0.1, 0.0)
"""A measure of form beside a word, whose weights make a length of 1 together: the ways to see a question."""
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
    length, longer = _lengths(outcomes, models)
    learner = _Learner(words, csr_matrix((forms - mean) / scale), scores, _tasks(outcomes), longer)
    learned = learner.learn(np.random.default_rng(seed))
    kept = np.random.default_rng(seed).permutation(len(scores))[:HELD_OUT]
    tokens = np.array([estimate(outcome.question) for outcome in outcomes], np.float32)
    evidence = learned.chances, scores, tokens, as_lengths(learned.longer, length)
    return LearnedRouter(
        models=tuple(models),
        rarity=rarity,
        form_mean=mean,
        form_scale=scale,
        words=learned.weights[:BUCKETS].astype(np.float16),
        forms=learned.weights[BUCKETS:],
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
    """Weights [features, columns]: of components at each strength, for each view; of tasks; of lengths.

    `bias` [columns] are the targets' means, `worth` [tasks, components] is what components are worth at tasks.
    """

    weights: Array
    bias: Array
    worth: Array


class _Learner:
    """Learns `scores` [questions, models], `tasks` [questions, tasks], and how much `longer` answers are, as scores.

    It sees `words` [questions, BUCKETS] and `forms` [questions, FORM].
    """

    def __init__(self, words: csr_matrix, forms: csr_matrix, scores: Array, tasks: Array, longer: Array) -> None:
        self._views = [hstack([words, forms * weight], format="csr", dtype=np.float32) for weight in FORM_WEIGHTS]
        self._features = hstack([words, forms], format="csr", dtype=np.float32)
        self._tasks, self._longer = tasks, longer
        self._mean = scores.mean(axis=0)
        self._axes = np.linalg.eigh(np.atleast_2d(np.cov((scores - self._mean).T)))[1].astype(np.float32)
        self._components = (scores - self._mean) @ self._axes
        self._shape = len(FORM_WEIGHTS), len(STRENGTHS), len(scores[0])
        self._end = prod(self._shape)
        """The column behind those of components; tasks and lengths follow."""

    def learn(self, random: np.random.Generator) -> _Learned:
        """Learn from all questions, by what those that are held out in turn tell."""
        own, by_task, longer = self._held_out(random)
        picked, trust, predicted = self._stack(own, by_task)
        whole = self._fit(np.arange(len(self._components)))
        views, _, size = self._shape
        weights = whole.weights[:, : self._end].reshape(-1, *self._shape)
        weights = weights[:, np.arange(views)[:, None], picked, np.arange(size)] * trust[:, 0]
        tasks = whole.bias[self._end : self._end + self._tasks.shape[1]]
        return _Learned(
            weights=np.hstack([weights.mean(axis=1) @ self._axes.T, whole.weights[:, self._end :]]),
            bias=np.concatenate([self._mean, tasks]),
            worth=(whole.worth * trust[:, 1].mean(axis=0) @ self._axes.T).astype(np.float32),
            chances=as_chances(predicted @ self._axes.T + self._mean, np.zeros((0, size), np.float32)),
            longer=longer,
        )

    def _fit(self, rows: NDArray[np.int64]) -> _Fit:
        components, tasks = np.tile(self._components[rows], (1, len(STRENGTHS))), self._tasks[rows]
        others = np.hstack([tasks, self._longer[rows]])
        of_components = np.repeat(STRENGTHS, self._shape[-1])
        of_others = np.repeat([TASK_STRENGTH, LENGTH_STRENGTH], [tasks.shape[1], self._shape[-1]])
        strength = np.concatenate([of_components, of_others]).astype(np.float32)
        targets = np.hstack([components, others])
        mean, own = targets.mean(axis=0), components.shape[1]
        targets -= mean
        first, *more = self._views
        found = [fit_ridge(first[rows], targets, strength)]
        found += [fit_ridge(view[rows], targets[:, :own], strength[:own]) for view in more]
        for weights, weight in zip(found, FORM_WEIGHTS, strict=True):
            weights[BUCKETS:] *= weight
        worth = tasks.T @ (components - mean[:own])[:, : self._shape[-1]] / (tasks.sum(axis=0)[:, None] + PRIOR)
        weights = np.hstack([*(one[:, :own] for one in found), found[0][:, own:]])
        return _Fit(weights, np.concatenate([*[mean[:own]] * len(found), mean[own:]]), worth)

    def _held_out(self, random: np.random.Generator) -> tuple[Array, Array, Array]:
        """Of questions not learned from: components [views, strengths, questions, models], those by task, lengths."""
        questions, size = self._components.shape
        own = np.zeros((*self._shape[:2], questions, size), np.float32)
        by_task, longer = np.zeros_like(self._components), np.zeros_like(self._longer)
        for learn, test in _folds(questions, random):
            fit = self._fit(learn)
            said = self._features[test] @ fit.weights + fit.bias
            own[:, :, test] = np.moveaxis(said[:, : self._end].reshape(-1, *self._shape), 0, 2)
            tasks, longer[test] = np.split(said[:, self._end :], [self._tasks.shape[1]], axis=1)
            if tasks.shape[1]:
                by_task[test] = task_shares(tasks) @ fit.worth
        return own, by_task, longer

    def _stack(self, own: Array, by_task: Array) -> tuple[NDArray[np.int64], Array, Array]:
        """The best strength [views, models], how far to trust words and task [views, 2, models], what both predict."""
        views, _, size = self._shape
        picked, trust = np.zeros((views, size), np.int64), np.zeros((views, 2, size), np.float32)
        predicted = np.zeros_like(self._components)
        for group in np.split(np.arange(size), [size - 1]):  # the greatest component is the last
            actual = self._components[:, group].ravel()
            for view in range(views if len(group) else 0):
                pairs = [np.column_stack([said[:, group].ravel(), by_task[:, group].ravel()]) for said in own[view]]
                fitted = [nnls(pair, actual) for pair in pairs]
                best = int(np.argmin([error for _, error in fitted]))
                picked[view, group] = best
                trust[view][:, group] = fitted[best][0][:, None]
                predicted[:, group] += (pairs[best] @ fitted[best][0]).reshape(-1, len(group)) / views
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
    return length, relative - relative.mean(axis=0)


def _folds(size: int, random: np.random.Generator) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Questions to learn from and to test on, `FOLDS` times."""
    fold = random.permutation(size) % FOLDS
    for number in range(FOLDS):
        yield np.flatnonzero(fold != number), np.flatnonzero(fold == number)
