"""Find personal and secret data in texts: pure, linear in their length, and saying where it is, never what it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from mirepoix.privacy import Sensitive
from pipelines.privacy.contacts import emails, phones
from pipelines.privacy.finding import Finding, count, say
from pipelines.privacy.identities import national_ids
from pipelines.privacy.payments import cards, ibans
from pipelines.privacy.plain import plain
from pipelines.privacy.secrets import secrets

__all__ = ["Finding", "count", "say", "scan"]

DETECTORS: dict[Sensitive, Callable[[str], Iterator[tuple[int, int]]]] = {
    Sensitive.SECRET: secrets,
    Sensitive.CARD: cards,
    Sensitive.IBAN: ibans,
    Sensitive.NATIONAL_ID: national_ids,
    Sensitive.EMAIL: emails,
    Sensitive.PHONE: phones,
}
"""The surest first: what is a card is not also told as a telephone number."""

OF_DIGITS = frozenset({Sensitive.CARD, Sensitive.IBAN, Sensitive.PHONE})
"""Kinds that nobody need look for in a text without a digit; an Italian tax number may have none."""
DIGIT = re.compile(r"\d")
SHORTEST = len("a@b.co")
"""Most texts of a request are its keys and its models' names."""


def scan(text: str, kinds: Iterable[Sensitive] = tuple(Sensitive)) -> list[Finding]:
    """What of `kinds` stands in `text`, in order; each place under one kind, spans as of `text` itself."""
    wanted = frozenset(kinds)
    if not wanted:
        return []
    seen = plain(text)
    if len(seen.text) < SHORTEST:
        return []
    if DIGIT.search(seen.text) is None:
        wanted -= OF_DIGITS
    found: list[Finding] = []
    taken = bytearray(len(seen.text))
    for kind, detect in DETECTORS.items():
        if kind not in wanted:
            continue
        for start, end in detect(seen.text):
            if any(taken[start:end]):
                continue
            taken[start:end] = b"\x01" * (end - start)
            found.append(Finding(*seen.span(start, end), kind))
    return sorted(found)
