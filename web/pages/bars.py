"""Bars of a chart, in thousandths of its width and height."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

SIZE = 1000


@dataclass(frozen=True, slots=True)
class Column:
    """A bar that stands on the ground; its lowest part, `bad` high, is of another colour."""

    x: float
    width: float
    height: float
    bad: float
    title: str


def columns(values: Sequence[float], titles: Sequence[str], bad: Sequence[float] = ()) -> list[Column]:
    """A bar for each of `values` beside the other, the highest as high as the chart."""
    highest = max(values, default=0) or 1
    room = SIZE / max(len(values), 1)
    worst = [*bad, *([0.0] * (len(values) - len(bad)))]
    return [
        Column(index * room + room * 0.1, room * 0.8, SIZE * value / highest, SIZE * failed / highest, title)
        for index, (value, title, failed) in enumerate(zip(values, titles, worst, strict=True))
    ]


def share(value: Decimal, whole: Decimal) -> float:
    """How much of `whole` it is, in thousandths."""
    return float(SIZE * value / whole) if whole else 0.0
