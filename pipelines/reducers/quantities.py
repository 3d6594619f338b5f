"""Find the number that an answer gives, in the ways in which people and models write numbers.

`1,234.5`, `1.234,5` and `1 234,5` are the same; a comma or a point alone is a thousands separator only where three
digits follow it and that reading is the usual one (`1,234`, but `1.234` and `1,23` have decimals). What only contains
digits is no number: names (`GPT-4`, `H2O`), dates, times, versions, addresses, and the numbers of a list's items.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from pydantic import JsonValue

from pipelines.reducers.vote import CONFIDENCE_LINE

LONGEST = 20_000
"""Characters of a text that are looked at, counted from its end: answers stand there."""

SCALES = {
    "k": 1e3, "thousand": 1e3, "mn": 1e6, "million": 1e6, "millions": 1e6, "bn": 1e9, "billion": 1e9, "billions": 1e9,
    "trillion": 1e12, "trillions": 1e12,
}  # fmt: skip
UNITS: dict[str, tuple[str, float]] = {
    "%": ("%", 1), "percent": ("%", 1), "per cent": ("%", 1),
    "mm": ("m", 1e-3), "cm": ("m", 1e-2), "m": ("m", 1), "metre": ("m", 1), "meter": ("m", 1), "metres": ("m", 1),
    "meters": ("m", 1), "km": ("m", 1e3), "kilometre": ("m", 1e3), "kilometer": ("m", 1e3), "kilometres": ("m", 1e3),
    "kilometers": ("m", 1e3), "mi": ("m", 1609.344), "mile": ("m", 1609.344), "miles": ("m", 1609.344),
    "ft": ("m", 0.3048), "feet": ("m", 0.3048),
    "mg": ("g", 1e-3), "g": ("g", 1), "gram": ("g", 1), "grams": ("g", 1), "kg": ("g", 1e3), "kilogram": ("g", 1e3),
    "kilograms": ("g", 1e3), "t": ("g", 1e6), "tonne": ("g", 1e6), "tonnes": ("g", 1e6), "lb": ("g", 453.59237),
    "lbs": ("g", 453.59237),
    "ms": ("s", 1e-3), "s": ("s", 1), "sec": ("s", 1), "second": ("s", 1), "seconds": ("s", 1), "min": ("s", 60),
    "minute": ("s", 60), "minutes": ("s", 60), "h": ("s", 3600), "hour": ("s", 3600), "hours": ("s", 3600),
    "day": ("s", 86400), "days": ("s", 86400),
    "ml": ("l", 1e-3), "l": ("l", 1), "litre": ("l", 1), "liter": ("l", 1), "litres": ("l", 1), "liters": ("l", 1),
    "$": ("USD", 1), "usd": ("USD", 1), "dollar": ("USD", 1), "dollars": ("USD", 1),
    "€": ("EUR", 1), "eur": ("EUR", 1), "euro": ("EUR", 1), "euros": ("EUR", 1),
    "£": ("GBP", 1), "gbp": ("GBP", 1), "pound": ("GBP", 1), "pounds": ("GBP", 1), "¥": ("JPY", 1), "jpy": ("JPY", 1),
    "°c": ("°C", 1), "°f": ("°F", 1), "°": ("°", 1), "degrees": ("°", 1),
}  # fmt: skip
"""What a unit is a multiple of, so that 5 km and 5,000 m are the same, and 5 km and 5 kg are not."""

_SPACES = "\u0020\u00a0\u2009\u202f"
_MARK = re.compile(
    r"(?:\banswer\b[^\n:=]{0,40}?(?:\bis\b|[:=])|\b(?:result|total|sum)\b\s*(?:\bis\b|[:=])|[=≈])\s*", re.IGNORECASE
)
_NUMBER = re.compile(
    rf"""
    (?<![\w.,:/@\#])                                     # no part of a name, a date, a version, an address
    (?P<sign>(?:(?<![\w)])[-+\u2212]\s?)?)
    (?P<money>[$€£¥]\s?)?
    (?P<sign_after>[-\u2212]?)
    (?P<digits>
        \d{{1,3}}(?:[{_SPACES}'\u2019_]\d{{3}})+(?:[.,]\d+)?   # 1 234 567,8
        | \d[\d.,]*\d | \d | \.\d+
    )
    (?P<power>(?:[eE][-+]?\d{{1,3}}(?![\w]))|(?:\s?[x\u00d7*]\s?10\^?(?P<exponent>[-\u2212+]?\d{{1,3}})))?
    (?P<after>\s?(?:%|°[CcFf]?|[$€£¥]|per\ cent\b|[A-Za-z]+)(?:\s(?:%|[$€£¥]|[A-Za-z]+))?)?
    """,
    re.VERBOSE,
)
_NO_NUMBER = re.compile(r"\d{4}-\d{1,2}(-\d{1,2})?(?!\d)|\d{1,2}[:/]\d{1,2}([:/]\d{2,4})?(?!\d)")
_LIST_ITEM = re.compile(r"^[^\S\n]*\d{1,3}[.)][^\S\n]+(?=\S)", re.MULTILINE)
_FRACTION = re.compile(r"(?<![\w./])(\d{1,6})\s?/\s?(\d{1,6})(?![\w/.]*[\d/])")
_ORDINALS = ("st", "nd", "rd", "th")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number, in the base of its unit; `unit` is None where none was named, which goes with any."""

    value: float
    unit: str | None = None
    written: float | None = None

    def comparable(self, other: Quantity) -> tuple[float, float] | None:
        """Both numbers on one scale; None when their units have none in common."""
        if self.unit == other.unit:
            return self.value, other.value
        if self.unit is None or other.unit is None:
            return self.bare, other.bare
        return None

    @property
    def bare(self) -> float:
        """The number as it was written, without its unit."""
        return self.value if self.written is None else self.written


def find_quantity(answer: JsonValue) -> Quantity | None:
    """The number that `answer` gives: itself, the only number of an object, or of a text the one that is marked as the
    answer (`the answer is 42`, `6 * 7 = 42`), or else the last one. None when there is none."""
    if isinstance(answer, bool) or answer is None:
        return None
    if isinstance(answer, (int, float)):
        return _finite(answer)
    if isinstance(answer, str):
        return _in_text(answer[-LONGEST:])
    parts = list(answer.values()) if isinstance(answer, dict) else answer
    numbers = [part for part in parts if isinstance(part, (int, float)) and not isinstance(part, bool)]
    return _finite(numbers[0]) if len(numbers) == 1 else None


def quantities(text: str) -> list[Quantity]:
    """All numbers in `text`, in order."""
    return [quantity for _, quantity in _scan(text)]


def _in_text(text: str) -> Quantity | None:
    found = _scan(CONFIDENCE_LINE.sub("", text))
    marks = [mark.end() for mark in _MARK.finditer(CONFIDENCE_LINE.sub("", text))]
    marked = [quantity for start, quantity in found if any(start - mark in range(3) for mark in marks)]
    if marked:
        return marked[-1]
    return found[-1][1] if found else None


def _scan(text: str) -> list[tuple[int, Quantity]]:
    text = _LIST_ITEM.sub(lambda item: " " * len(item.group()), text)
    found: list[tuple[int, Quantity]] = []
    position = 0
    while (match := _NUMBER.search(text, position)) is not None:
        start = match.start("digits")
        fraction = _FRACTION.match(text, start)
        if fraction is not None and int(fraction.group(2)):
            value = int(fraction.group(1)) / int(fraction.group(2))
            found.append((match.start(), Quantity(-value if _is_negative(match) else value)))
            position = fraction.end()
            continue
        other = _NO_NUMBER.match(text, start)
        if other is not None:
            position = other.end()
            continue
        quantity, position = _read(match), match.end("power") if match.group("power") else match.end("digits")
        if quantity is not None:
            found.append((match.start(), quantity))
    return found


def _read(match: re.Match[str]) -> Quantity | None:
    value = _value_of(match.group("digits"))
    words = (match.group("after") or "").lower()
    glued = words[:1].isalpha()
    if value is None or (glued and words.split()[0] in _ORDINALS):
        return None
    power, exponent = match.group("power"), match.group("exponent")
    if power is not None:
        value = _times_ten_to(value, int((exponent or power.strip()[1:]).replace("\u2212", "-")))
    if _is_negative(match):
        value = -value
    scale, unit = _units(words, (match.group("money") or "").strip())
    if scale is None:
        return None if glued else _finite(value)
    name, factor = UNITS.get(unit, (None, 1.0))
    if not math.isfinite(value * scale * factor):
        return None
    return Quantity(value * scale * factor, name, value * scale if name is not None else None)


def _times_ten_to(value: float, exponent: int) -> float:
    try:
        return value * 10.0**exponent
    except OverflowError:
        return math.inf


def _units(words: str, money: str) -> tuple[float | None, str]:
    """The scale (million) and the unit (km) that follow; a scale of None: what follows is neither."""
    parts = [words.strip()] if words.strip() in UNITS else words.split()
    scale, unit = 1.0, money
    for index, part in enumerate(parts):
        if part in SCALES:
            scale *= SCALES[part]
        elif part in UNITS and not unit:
            unit = part
        else:
            return (None, "") if index == 0 and not money else (scale, unit)
    return scale, unit


def _value_of(digits: str) -> float | None:
    """`1.234,5` and `1,234.5` alike; None where points and commas make no number (`1.2.3`, `1,2,3`)."""
    plain = re.sub(rf"[{_SPACES}'\u2019_]", "", digits)
    last = max(plain.rfind("."), plain.rfind(","))
    if last < 0:
        return float(plain)
    decimal, thousands = plain[last], "," if plain[last] == "." else "."
    whole, part = plain[:last], plain[last + 1 :]
    if decimal in whole:  # one kind of sign, several times, or mixed in no known way
        return float(re.sub(r"[.,]", "", plain)) if thousands not in whole and _is_grouped(plain, decimal) else None
    if thousands in whole:
        return float(f"{whole.replace(thousands, '')}.{part}") if _is_grouped(whole, thousands) else None
    if decimal == "," and len(part) == 3 and 1 <= len(whole) <= 3 and whole[0] != "0":
        return float(whole + part)
    return float(f"{whole or 0}.{part}")


def _is_grouped(plain: str, sign: str) -> bool:
    """Whether `sign` stands where thousands are parted: 1,234,567, or 12,34,567 as in India."""
    first, *groups = plain.split(sign)
    in_threes = all(len(group) == 3 for group in groups)
    as_in_india = len(groups[-1]) == 3 and all(len(group) == 2 for group in groups[:-1])
    return 1 <= len(first) <= 3 and first[0] != "0" and (in_threes or as_in_india)


def _is_negative(match: re.Match[str]) -> bool:
    return any(sign in "-\u2212" for sign in (match.group("sign").strip(), match.group("sign_after")) if sign)


def _finite(value: float) -> Quantity | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return Quantity(number) if math.isfinite(number) else None
