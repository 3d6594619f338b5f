"""Mend JSON that is broken in the usual ways: single quotes, comments, missing commas and brackets."""

from __future__ import annotations

import json
from typing import Any

from json_repair import repair_json

from pipelines.answers.candidates import OPENING, fenced
from pipelines.answers.json_text import NotJson, parse_json

MAX_CHARACTERS = 100_000
"""The library is written in Python; a longer answer would hold up its process."""


def repaired(text: str) -> list[Any]:
    """The values that a lenient reading of `text` gives, the likeliest first; none where nothing is to be mended."""
    if len(text) > MAX_CHARACTERS:
        return []
    start = OPENING.search(text)
    parts = [*fenced(text), *([text[start.start() :]] if start else [])]
    return [value for part in parts for value in _mended(part)]


def _mended(text: str) -> list[Any]:
    try:
        value = parse_json(repair_json(text, ensure_ascii=False))
    except (NotJson, RecursionError, ValueError, IndexError, json.JSONDecodeError):
        return []
    return [value] if isinstance(value, (dict, list)) else []
