"""Whether chances can be believed: the reliability diagram and the expected calibration error.

Of the questions of which a chance of about 70 % was predicted, 70 % should be answered rightly (DeGroot and Fienberg
1983). The error is the mean distance, weighted by questions, over bins of as many questions each, which few questions
fill better than bins of equal width (Nixon et al. 2019, "Measuring calibration in deep learning").
"""

from __future__ import annotations

import numpy as np

from learning.compare.metrics import Floats
from learning.compare.results import Bin

BINS = 10


def reliability(chances: Floats, scores: Floats) -> list[Bin]:
    """Ten bins of predicted chances and of what came of them, from the smallest chance to the greatest."""
    order = np.argsort(chances, kind="stable")
    return [
        Bin(float(chances[rows].mean()), float(scores[rows].mean()), len(rows))
        for rows in np.array_split(order, BINS)
        if len(rows)
    ]


def calibration_error(bins: list[Bin]) -> float:
    """0 where all chances are right, 1 at the worst."""
    total = sum(one.questions for one in bins)
    return sum(abs(one.predicted - one.right) * one.questions for one in bins) / total
