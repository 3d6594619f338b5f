"""E-mail addresses and telephone numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

import phonenumbers

Span = tuple[int, int]

LOCAL = r"[^\W_](?:[\w.%+'-]{0,62}[\w+-])?+"
LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?+"
EMAIL = re.compile(rf"(?<![\w.+%-])(?!git@){LOCAL}\s?@\s?(?:{LABEL}\.){{1,8}}[^\W\d_]{{2,24}}(?![\w@])")
SPELLED_EMAIL = re.compile(
    rf"(?<![\w.+-])[^\W_](?:[\w.+'-]{{0,62}}[\w+-])?+ ?(?:[\[({{<] ?(?:at|@) ?[\])}}>]|%40|&#64;|&#x40;) ?"
    rf"{LABEL}(?: ?(?:\.|[\[({{<] ?(?:dot|\.) ?[\])}}>]) ?{LABEL}){{1,8}}",
    re.IGNORECASE,
)
MAX_PHONE = 15
"""Digits of an international number (ITU-T E.164)."""
GAP = r"[ ().\-/]{0,3}"
INTERNATIONAL = re.compile(rf"(?<![\w+])(?:\+|00|011)(?:{GAP}[0-9]){{7,{MAX_PHONE}}}(?!\d)")
AMERICAN = re.compile(r"(?<![\w.\-+$])(?:1[ .-])?(?:\(\d{3}\) ?|\d{3}[.-])\d{3}[.-]\d{4}(?![\w.\-]\d|\w)")
SAID_TO_BE_ONE = re.compile(
    r"\b(?:tel|telephone|phone|mobile|cell|fax|call|ring|whatsapp|sms|text me (?:at|on)|telefon|handy|"
    r"t[ée]l[ée]phone|tel[ée]fono|telefono|telefoon)\b"
    rf"[^\d\n+]{{0,20}}?(\(?0[0-9](?:{GAP}[0-9]){{6,12}})(?!\d)",
    re.IGNORECASE,
)
REGIONS = ("GB", "DE", "FR", "ES", "IT", "NL", "PL", "IN", "AU", "CH", "AT", "BE")
"""Where a number that names no country may be of, when the words around it say that it is a telephone number."""


def emails(text: str) -> Iterator[Span]:
    """Addresses, also as `name [at] host [dot] org`; linear in the length of `text`."""
    if "@" in text:
        yield from (found.span() for found in EMAIL.finditer(text))
    yield from (found.span() for found in SPELLED_EMAIL.finditer(text))


def phones(text: str) -> Iterator[Span]:
    """Numbers that a numbering plan knows (libphonenumber), and that are clearly written as such."""
    for found in INTERNATIONAL.finditer(text):
        if _dials(re.sub(r"^(?:00|011)", "+", found.group()), None):
            yield found.span()
    for found in AMERICAN.finditer(text):
        if _dials(found.group(), "US"):
            yield found.span()
    for found in SAID_TO_BE_ONE.finditer(text):
        if any(_dials(found.group(1), region) for region in REGIONS):
            yield found.span(1)


def _dials(number: str, region: str | None) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False
