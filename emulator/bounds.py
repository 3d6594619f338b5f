"""The bounds of a number in a JSON schema, in exact fractions."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

SPAN = 10  # how far a range reaches that has no end
MANY = 1000


class UnusableSchema(Exception):
    """No instance of the schema can be made here; the message says why."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a number may be: at least `low`, at most `high`, or strictly between where an end is open."""

    low: Fraction | None
    high: Fraction | None
    low_open: bool = False
    high_open: bool = False

    @classmethod
    def of(cls, schema: Mapping[str, Any]) -> Bounds:
        """From minimum, maximum and their exclusive forms, also where a description tells them; the tighter counts."""
        schema = {**_told(schema.get("description")), **schema}
        lows = [(Fraction(str(schema[key])), key != "minimum") for key in _LOWS if key in schema]
        highs = [(Fraction(str(schema[key])), key == "maximum") for key in _HIGHS if key in schema]
        low, low_open = max(lows, default=(None, False))
        high, high_closed = min(highs, default=(None, True))
        return cls(low, high, low_open, not high_closed)

    def hold(self, value: Fraction) -> bool:
        """Whether `value` lies within."""
        above = self.low is None or value > self.low or (value == self.low and not self.low_open)
        below = self.high is None or value < self.high or (value == self.high and not self.high_open)
        return above and below

    def in_units(self, unit: Fraction) -> Bounds:
        """The bounds of how many times `unit` fits."""
        low = None if self.low is None else self.low / unit
        high = None if self.high is None else self.high / unit
        return Bounds(low, high, self.low_open, self.high_open)

    def pick_whole(self, step: int, luck: float, index: int) -> int:
        """A multiple of `step` within; neighbouring indices get different ones while there are any."""
        first = math.ceil(self._start / step) * step
        first += step if self.low_open and first == self.low else 0
        last = first + SPAN * step if self.high is None else math.floor(self.high)
        last -= 1 if self.high_open and last == self.high else 0
        if last < first:
            raise UnusableSchema("no whole number lies within its bounds.")
        count = (last - first) // step + 1
        return first + (int(luck * min(count, MANY)) + index) % count * step

    def pick(self, luck: float, index: int) -> Fraction:
        """Any number within."""
        stop = self._start + SPAN if self.high is None else self.high
        if stop < self._start:
            raise UnusableSchema("no number lies within its bounds.")
        return self._start + (stop - self._start) * Fraction(1 + int(luck * 90) + index % 9, 100)

    @property
    def _start(self) -> Fraction:
        if self.low is not None:
            return self.low
        return self.high - SPAN if self.high is not None and self.high < SPAN else Fraction(0)


_LOWS = ("minimum", "exclusiveMinimum")
_HIGHS = ("maximum", "exclusiveMaximum")
_TOLD = re.compile(r"\b((?:exclusive)?[Mm](?:ini|axi)mum): (-?\d+(?:\.\d+)?)(?=[,)])")


def _told(description: object) -> dict[str, str]:
    """The bounds that a schema's description has in words: who may not say `minimum: 0` as a keyword says it there."""
    return dict(_TOLD.findall(description)) if isinstance(description, str) else {}
