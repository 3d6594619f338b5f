"""Percentiles are values that were measured, and their intervals hold the true one as often as they say."""

from __future__ import annotations

import random

from bench.percentiles import interval, percentile


def test_a_percentile_is_the_value_at_the_nearest_rank() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile(values, 1.0) == 100
    assert percentile([7.0], 0.01) == 7


def test_nineteen_of_twenty_intervals_hold_the_true_percentile() -> None:
    dice = random.Random(7)
    held = 0
    for _ in range(400):
        low, high = interval([dice.random() for _ in range(200)], 0.9)
        held += low <= 0.9 <= high
    assert 0.92 < held / 400 < 0.99


def test_of_few_values_an_interval_reaches_to_the_largest() -> None:
    values = [float(number) for number in range(20)]
    assert interval(values, 0.99)[1] == 19
