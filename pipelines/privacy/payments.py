"""Bank accounts and payment cards, by their check digits."""

from __future__ import annotations

import re
from collections.abc import Iterator

Span = tuple[int, int]

IBAN_LENGTHS = {
    code: int(length)
    for length, codes in {
        "15": "NO",
        "16": "BE",
        "18": "DK FO FI GL NL SD",
        "19": "MK SI FK",
        "20": "AT BA EE KZ LT LU XK MN",
        "21": "HR CH LI LV",
        "22": "BH BG CR GE DE IE ME RS GB VA",
        "23": "AE TL GI IQ IL OM SO",
        "24": "AD CZ MD PK RO SA SK ES SE TN VG",
        "25": "PT ST LY",
        "26": "IS TR",
        "27": "FR GR IT MC MR SM BI DJ",
        "28": "AL AZ BY CY DO SV GT HU LB NI PL",
        "29": "BR EG PS QA UA",
        "30": "JO KW MU",
        "31": "MT SC",
        "32": "LC",
        "33": "RU",
    }.items()
    for code in codes.split()
}
"""Of each country, from the SWIFT registry of IBAN formats (release 99)."""
IBAN_START = re.compile(rf"(?<![A-Z0-9])(?:{'|'.join(IBAN_LENGTHS)})[ .-]?\d[ .-]?\d")
GAPS = " .-\t\n"
LONGEST_GAP = 2

DIGITS_IN_GROUPS = re.compile(r"\d++(?:[ \t\n.\-/_,:|*]{1,3}\d++)*+")
GROUP = re.compile(r"\d+")
WRITTEN_AS = frozenset({(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (6, 13), (4, 4, 5), (8, 8), (4, 12)})
"""The groups in which cards are printed and typed."""
NETWORKS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|(?:6011|64[4-9]\d|65\d\d)\d{12}(?:\d{3})?"  # Discover
    r"|(?:30[0-5]|36\d|3[89]\d)\d{11}"  # Diners Club
    r"|35(?:2[89]|[3-8]\d)\d{12}"  # JCB
    r"|62\d{14}(?:\d{3})?"  # UnionPay
    r"|(?:50[0-9]{2}|5[6-9]\d\d|63\d\d|67\d\d)\d{12}"  # Maestro
    r"|220[0-4]\d{12}"  # Mir
)
"""Prefixes and lengths of the networks' ranges (ISO/IEC 7812)."""


def ibans(text: str) -> Iterator[Span]:
    """Account numbers whose length is their country's and whose remainder by 97 is 1 (ISO 13616)."""
    upper = text.upper() if text.isascii() else "".join(c.upper() if c.isascii() else c for c in text)
    for found in IBAN_START.finditer(upper):
        length = IBAN_LENGTHS[found.group()[:2]]
        groups, end = _gather(upper, found.start(), length)
        whole = end == len(upper) or not (upper[end].isascii() and upper[end].isalnum())
        account = "".join(groups)
        if len(account) == length and whole and _are_even(groups) and _iban_adds_up(account):
            yield found.start(), end


def cards(text: str) -> Iterator[Span]:
    """Card numbers of a known network whose last digit is right (Luhn), with or without separators."""
    for run in DIGITS_IN_GROUPS.finditer(text):
        groups = [found.span() for found in GROUP.finditer(text, *run.span())]
        for first, last in _windows(groups):
            if _is_card("".join(text[start:end] for start, end in groups[first : last + 1])):
                yield groups[first][0], groups[last][1]


def passes_luhn(digits: str) -> bool:
    """Whether the last of `digits` is the check digit of the others (ISO/IEC 7812-1)."""
    doubled = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
    numbers = [int(digit) for digit in reversed(digits)]
    return (sum(numbers[0::2]) + sum(doubled[number] for number in numbers[1::2])) % 10 == 0


def _gather(text: str, start: int, length: int) -> tuple[list[str], int]:
    """The next `length` letters and digits from `start` in the groups in which they stand, and where they end."""
    groups, gap, index, left = [""], 0, start, length
    while index < len(text) and left:
        character = text[index]
        if character.isascii() and character.isalnum():
            if gap:
                groups.append("")
            groups[-1] += character
            gap, left = 0, left - 1
        elif character in GAPS and gap < LONGEST_GAP:
            gap += 1
        else:
            break
        index += 1
    return groups, index


def _are_even(groups: list[str]) -> bool:
    """Whether all but the first and the last are of one size, as people write accounts, and words are not."""
    sizes = [len(group) for group in groups]
    return len(set(sizes[1:-1])) <= 1 and (len(sizes) < 3 or sizes[-1] <= sizes[1])


def _iban_adds_up(account: str) -> bool:
    return int("".join(str(int(character, 36)) for character in account[4:] + account[:4])) % 97 == 1


def _windows(groups: list[Span]) -> Iterator[tuple[int, int]]:
    """The first and last of those neighbouring groups that could be one card."""
    sizes = tuple(end - start for start, end in groups)
    for first in range(len(sizes)):
        if 13 <= sizes[first] <= 19:
            yield first, first
        for width in (2, 3, 4, 5):
            if first + width <= len(sizes) and sizes[first : first + width] in WRITTEN_AS:
                yield first, first + width - 1
    even = len(set(sizes[:-1])) == 1 and sizes[0] <= 3 and sizes[-1] <= sizes[0]
    if len(sizes) > 1 and even and 13 <= sum(sizes) <= 19:
        yield 0, len(sizes) - 1


def _is_card(digits: str) -> bool:
    return NETWORKS.fullmatch(digits) is not None and len(set(digits)) > 1 and passes_luhn(digits)
