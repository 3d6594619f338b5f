"""What can be promised of a quality that was measured on some questions, when others will be asked.

Both the questions measured and those to come are samples, so the difference of their qualities has twice the variance
of either: a prediction interval. A promise may be missed by a point, which takes up some of it. What was measured was
also chosen for looking good, and so was lucky by part of a standard error: by 0.2 to 0.45 of them for the choice of one
of a thousand cascades, as a bootstrap of the whole choice has it on recorded outcomes (Efron 1983, the optimism of an
apparent error rate).
"""

from __future__ import annotations

from math import sqrt

from pipelines.learned.states import Floats

POINT = 0.01
"""By how much of the best model's quality a promise may be missed."""
ONE_OF_A_LINE = 1.645
"""Standard errors that a difference exceeds by chance in 5 of 100 cases: for settings that rise with one threshold."""
BEST_OF_MANY = 2.1
"""For ways that differ in kind, of which there are hundreds: the luckiest of them looks best."""


def safe_quality(quality: Floats, best: Floats, sureness: float = BEST_OF_MANY) -> float:
    """What can be promised of `quality`, relative to the best single model's, both question by question, [questions].

    So much that as many new questions will be answered no more than a `POINT` worse, with that `sureness`. At least a
    standard error stays below what was measured, for the luck of the choice. What both get right or wrong tells nothing
    of their difference, so the best single model alone is promised whole; anything else counts as if one question more
    had come out otherwise, since that few did tells little (Agresti and Min 2005).
    """
    scale = max(float(best.mean()), 1e-9)
    difference = quality - best
    if not difference.any():
        return 1.0
    count = len(difference)
    error = sqrt(float(difference.var()) / count + 1 / count**2) / scale
    return 1 + float(difference.mean()) / scale - max(sureness * sqrt(2) * error - POINT, error)
