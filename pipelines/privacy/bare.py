"""What remains of a decision when no text is to be kept: its numbers, and the house's own names."""

from __future__ import annotations

import re
from collections.abc import Collection

from pydantic import JsonValue

from mirepoix.privacy import Sensitive

NOT_STORED = "(not stored)"
PLACE = re.compile(r"(?:to|tiers|members|items|judges|samples|comparisons|then|judge|fuse)\.\d{1,6}(?:\.\d{1,6})?")
"""Where a step stands below the one that decides."""
WORDS = frozenset({"gate", "score", "weight", "must", "veto", "reason", "file", *(kind.value for kind in Sensitive)})
"""Keys of the house below the first level."""
ANSWERS = frozenset({"numbers"})
"""Features that are the members' answers themselves."""
NAMES = frozenset({"gate"})
"""Features that name something of the configuration."""


def bare(features: dict[str, JsonValue], names: Collection[str]) -> dict[str, JsonValue]:
    """`features` without any text but `names`: the paths, models and providers of the job."""
    return {key: NOT_STORED if key in ANSWERS else _bare(value, names) for key, value in features.items()}


def _bare(value: JsonValue, names: Collection[str]) -> JsonValue:
    if isinstance(value, dict):
        return {
            key: below if key in NAMES else _bare(below, names)
            for key, below in value.items()
            if key in WORDS or key in names or PLACE.fullmatch(key)
        }
    if isinstance(value, list):
        return [_bare(below, names) for below in value]
    if isinstance(value, str):
        return value if value in names or PLACE.fullmatch(value) else NOT_STORED
    return value
