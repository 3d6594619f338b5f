"""How much of it is measured."""

from __future__ import annotations

from enum import StrEnum


class Scale(StrEnum):
    """`full` is for figures to rely on, `quick` to see in a minute or two that all still stands."""

    QUICK = "quick"
    FULL = "full"
