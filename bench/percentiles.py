"""Percentiles, and how far to trust them: both are values that were measured, none is made up between two of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

SURE = 1.96
"""Standard errors on both sides of a 95 % interval."""


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of `values` that at least `share` (0 to 1) of them do not exceed: the nearest rank."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]


def interval(values: Sequence[float], share: float) -> tuple[float, float]:
    """The 95 % interval of the percentile, whatever the distribution.

    How many of n values lie below the true percentile is binomial (n, share), here by its normal approximation, so the
    values at those ranks are the bounds (Conover, Practical Nonparametric Statistics, 3rd ed., section 3.2). Of few
    values it reaches to the largest, beyond which nobody knows.
    """
    ordered, number = sorted(values), len(values)
    margin = SURE * math.sqrt(number * share * (1 - share))
    low, high = math.floor(number * share - margin), math.ceil(number * share + margin)
    return ordered[max(0, low - 1)], ordered[min(number, high) - 1]
