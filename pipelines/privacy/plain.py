"""A text as a reader sees it: one way to write each digit, dash and space, and nothing that cannot be seen.

Full-width digits, zero-width spaces or soft hyphens inside a number hide it from patterns, but not from a model.
"""

from __future__ import annotations

import unicodedata
from array import array
from dataclasses import dataclass
from functools import lru_cache

INVISIBLE = ("Cf", "Mn", "Me", "Cc")
"""Formats (zero-width, direction, soft hyphen), combining marks, and control characters but for white space."""
FILLERS = "\u115f\u1160\u3164\uffa0\u2800"
"""Letters, by their category, that show nothing."""
DOTS = str.maketrans({"\u3002": ".", "\u2024": ".", "\u00b7": ".", "\u2022": ".", "\u2212": "-", "\u2044": "/"})
LONGEST_FORM = 4
"""Characters that one character may stand for; a few stand for whole phrases."""


@dataclass(frozen=True, slots=True)
class Plain:
    """`text` in its plain form, and where each of its characters stood in the original; None: in the same place."""

    text: str
    origin: array[int] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where `start` to `end` stood in the original."""
        return (self.origin[start], self.origin[end - 1] + 1) if self.origin is not None else (start, end)


def plain(text: str) -> Plain:
    """Fold `text` character by character; what is ASCII without control characters is plain already."""
    if text.isascii() and (text.isprintable() or not any(ord(c) < 32 and c not in "\t\n\r\f\v" for c in set(text))):
        return Plain(text)
    pieces: list[str] = []
    origin = array("L")
    for index, character in enumerate(text):
        form = _form(character)
        pieces.append(form)
        origin.extend([index] * len(form))
    return Plain("".join(pieces), origin)


@lru_cache(maxsize=8192)
def _form(character: str) -> str:
    if character in "\t\n\r\f\v" or (character.isascii() and character.isprintable()):
        return character
    category = unicodedata.category(character)
    if category in INVISIBLE or character in FILLERS:
        return ""
    if category == "Nd":
        return str(unicodedata.digit(character))
    if category in ("Zs", "Zl", "Zp"):
        return " "
    if category == "Pd":
        return "-"
    decomposed = unicodedata.normalize("NFKD", character)
    seen = "".join(part for part in decomposed if unicodedata.category(part) not in INVISIBLE)
    return seen[:LONGEST_FORM].translate(DOTS)
