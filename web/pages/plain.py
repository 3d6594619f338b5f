"""Texts of models and users as a page may show them: nothing hidden, nothing that turns the text around it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from pydantic import JsonValue

EXCERPT = 4_000
"""Characters of a text that stand in a page; the whole of it is behind a link."""
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The beginning of a text, and how many characters it has in all."""

    text: str
    length: int

    @property
    def cut(self) -> bool:
        """Whether there is more."""
        return self.length > len(self.text)


def plain(text: str) -> str:
    """`text` with what cannot be seen spelled out: control characters as their pictures, bidi marks as `<U+202E>`."""
    return UNSEEN.sub(_spelled, text.replace("\r\n", "\n"))


def as_text(value: JsonValue) -> str:
    """A text as it is; everything else as indented JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


def excerpt(value: JsonValue, longest: int = EXCERPT) -> Excerpt:
    """The beginning of `value`, still to be spelled out by `plain`."""
    text = as_text(value)
    return Excerpt(text[:longest], len(text))


def one_line(value: JsonValue, longest: int = 120) -> str:
    """The beginning of `value` on one line, spelled out."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    short = " ".join(text[: longest * 4].split())
    return plain(short if len(short) <= longest and len(text) <= longest * 4 else short[: longest - 1] + "…")


def _spelled(match: re.Match[str]) -> str:
    code = ord(match.group())
    return chr(0x2400 + code) if code < 0x20 else "\u2421" if code == 0x7F else f"<U+{code:04X}>"
