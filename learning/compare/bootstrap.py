"""Intervals by the bootstrap over questions.

Questions are drawn anew with replacement (Efron 1979), the same ones for every method: what two methods share, as hard
questions and luck, is in both, so their difference is known better than either.
"""

from __future__ import annotations

import numpy as np

from learning.compare.metrics import Floats

LEVEL = 0.95


def resamples(questions: int, times: int, seed: int) -> Floats:
    """How often each question is drawn, as shares: [1 + times, questions]. The first row is the sample itself."""
    drawn = np.random.default_rng(seed).multinomial(questions, np.full(questions, 1 / questions), size=times)
    return np.concatenate([np.ones((1, questions)), drawn]) / questions


def interval(values: Floats) -> tuple[float | None, float | None, float | None]:
    """The value, and the ends of its 95 % percentile interval; None where it is not defined.

    `values` are those of all `resamples`. Resamples in which the value is not defined are left out.
    """
    known = values[1:][~np.isnan(values[1:])]
    if np.isnan(values[0]) or not np.isfinite(known).any():
        return None, None, None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="nearest")
    return _finite(values[0]), _finite(low), _finite(high)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
