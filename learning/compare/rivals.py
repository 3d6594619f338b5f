"""Routers as published, to measure the learned one against. Each sees the query alone.

Those that know a chance of a right answer for each model can choose among many; those made for a pair give a score by
which questions are put to the strong model first. Texts are seen as TF-IDF, or as static word vectors (WordLlama): the
published routers used an embedding service, which a benchmark that runs offline cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from learning.compare.metrics import Floats
from learning.compare.table import Table
from pipelines.routers.complexity import complexity

Pair = tuple[int, int]
Chances = Callable[[Table, Table], Floats]
"""Learns from one table; the chance of a right answer to each question of the other, [questions, models]."""


class Scores(Protocol):
    """Learns from one table which model of a pair is better; how much the other's questions want the strong one."""

    def __call__(self, train: Table, test: Table, pair: Pair) -> Floats:
        """A score for each question of `test`; a greater one wants the strong model of `pair` (cheap, strong) more."""
        ...


MOST_TERMS = 20_000
MOST = 4_000
"""Characters of a text that TF-IDF looks at."""
NEIGHBOURS = 40
BLOCK = 1_000
"""Questions compared with all others at once."""


def by_tf_idf(train: Table, test: Table) -> Floats:
    """TF-IDF of words and pairs of words, and a logistic regression for each model."""
    terms = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, max_features=MOST_TERMS)
    cut = [question[:MOST] for question in train.questions]
    try:
        seen = terms.fit_transform(cut)
    except ValueError:  # no term occurs twice, so the only thing to know of a model is how good it is
        return np.broadcast_to(train.score.mean(axis=0), test.score.shape)
    unseen = terms.transform([question[:MOST] for question in test.questions])
    chances = [_regress(seen, train.score[:, model], unseen) for model in range(len(train.models))]
    return np.stack(chances, axis=1)


def by_neighbours(train: Table, test: Table) -> Floats:
    """The mean score of the 40 most similar questions, weighted by their similarity (cosine of static vectors)."""
    nearest = min(NEIGHBOURS, len(train))
    chances = np.empty(test.score.shape)
    for rows, similar in _similarities(train, test):
        found = np.argpartition(-similar, nearest - 1, axis=1)[:, :nearest]
        weights = np.maximum(np.take_along_axis(similar, found, axis=1), 1e-6)
        chances[rows] = (weights[:, :, None] * train.score[found]).sum(axis=1) / weights.sum(axis=1, keepdims=True)
    return chances


def by_similarity(train: Table, test: Table, pair: Pair) -> Floats:
    """RouteLLM's similarity-weighted ranking: a Bradley-Terry model for each question, over all that is known.

    Known comparisons weigh 10^(1 + s / max s). Of two models the weighted maximum of likelihood has a closed form, the
    weighted share of wins, where a tie is half a win.
    """
    cheap, strong = pair
    wins = 0.5 + 0.5 * np.sign(train.score[:, strong] - train.score[:, cheap])
    shares = np.empty(len(test))
    for rows, similar in _similarities(train, test):
        weights = 10 ** (1 + similar / np.maximum(similar.max(axis=1, keepdims=True), 1e-6))
        shares[rows] = weights @ wins / weights.sum(axis=1)
    return shares


def by_complexity(train: Table, test: Table, pair: Pair) -> Floats:
    """The heuristic of `by: complexity`; it learns nothing."""
    del train, pair
    return np.array([complexity(question).score for question in test.questions])


def _similarities(train: Table, test: Table) -> Iterator[tuple[slice, Floats]]:
    for start in range(0, len(test), BLOCK):
        rows = slice(start, start + BLOCK)
        yield rows, test.vectors[rows] @ train.vectors.T


def _regress(seen: Floats, score: Floats, unseen: Floats) -> Floats:
    """A score of 0.8 counts as a right answer of weight 0.8 and a wrong one of 0.2."""
    right, wrong = np.flatnonzero(score > 0), np.flatnonzero(score < 1)
    if not len(right) or not len(wrong):
        return np.full(unseen.shape[0], score.mean())
    rows = np.concatenate([right, wrong])
    labels = np.repeat([1, 0], [len(right), len(wrong)])
    weights = np.concatenate([score[right], 1 - score[wrong]])
    fitted = LogisticRegression(max_iter=200).fit(seen[rows], labels, sample_weight=weights)
    return np.asarray(fitted.predict_proba(unseen)[:, 1])
