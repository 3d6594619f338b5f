"""Make a router of recorded outcomes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold

from learning.outcomes import Outcome
from mirepoix.errors import InputError
from pipelines.learned.features import BUCKETS, hashed
from pipelines.learned.model import LearnedRouter
from pipelines.learned.policy import HeldOut

FEWEST = 20
"""With fewer questions there is nothing to learn from."""
FOLDS = 5
STRENGTH = 3.0
"""Inverse of the regularisation (`C`)."""


def train_router(outcomes: Sequence[Outcome], models: Sequence[str], *, seed: int = 1) -> LearnedRouter:
    """Learn from `outcomes` the chance that each of `models` is right; the same input gives the same bytes.

    Raises InputError where there are too few outcomes, or one lacks a score.
    """
    if len(outcomes) < FEWEST:
        raise InputError(f"a router needs at least {FEWEST} questions to learn from, not {len(outcomes)}.")
    rows = _matrix([outcome.question for outcome in outcomes])
    scores = np.array([[_score(outcome, model) for model in models] for outcome in outcomes])
    fitted = [_fit_model(rows, column, seed) for column in scores.T]
    weights, bias, slope, shift, chances = (np.array(column) for column in zip(*fitted, strict=True))
    held_out = HeldOut(tuple(models), chances.T.astype(np.float32), scores.astype(np.float32))
    return LearnedRouter(tuple(models), weights.T.astype("<f2"), bias, slope, shift, held_out)


def _score(outcome: Outcome, model: str) -> float:
    if model not in outcome.score:
        raise InputError(f"outcome {outcome.id!r} has no score of {model!r}.")
    return outcome.score[model]


def _matrix(texts: Sequence[str]) -> csr_matrix:
    pieces = [hashed(text) for text in texts]
    ends = np.cumsum([0, *(len(buckets) for buckets, _ in pieces)])
    columns = np.concatenate([buckets for buckets, _ in pieces])
    values = np.concatenate([weights for _, weights in pieces])
    return csr_matrix((values, columns, ends), shape=(len(texts), BUCKETS))


def _fit_model(
    rows: csr_matrix, score: NDArray[np.float64], seed: int
) -> tuple[NDArray[np.float64], float, float, float, NDArray[np.float64]]:
    """Weights and bias for one model, its Platt scaling, and the chances of questions held out, on which that rests."""
    held_out = np.zeros(len(score))
    for learn, test in KFold(FOLDS, shuffle=True, random_state=seed).split(rows):
        weights, bias = _regress(rows[learn], score[learn])
        held_out[test] = rows[test] @ weights + bias
    slope, shift = _regress(held_out[:, None], score)
    weights, bias = _regress(rows, score)
    return weights, bias, float(slope[0]), shift, 1 / (1 + np.exp(-(slope[0] * held_out + shift)))


def _regress(
    features: csr_matrix | NDArray[np.float64], score: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Logistic regression on scores of 0..1: a score of 0.8 is a right answer of weight 0.8 and a wrong one of 0.2."""
    right, wrong = score > 0, score < 1
    if not right.any() or not wrong.any():
        smoothed = (score.sum() + 0.5) / (len(score) + 1)
        return np.zeros(features.shape[1]), float(np.log(smoothed / (1 - smoothed)))
    rows = np.concatenate([np.flatnonzero(right), np.flatnonzero(wrong)])
    labels = np.concatenate([np.ones(right.sum()), np.zeros(wrong.sum())])
    share = np.concatenate([score[right], 1 - score[wrong]])
    fitted = LogisticRegression(C=STRENGTH, max_iter=300).fit(features[rows], labels, sample_weight=share)
    return fitted.coef_[0], float(fitted.intercept_[0])
