"""Look into a whole request: every text in it, wherever it stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mirepoix.privacy import Sensitive
from pipelines.privacy import count, scan

FILE = re.compile(r"(?:data:[\w.+/;=-]{0,200},)?[A-Za-z0-9+/_-]{256,}+={0,2}")
"""The bytes of a file in base64: nothing to read, and nothing that a pattern would find."""
PLACES_TOLD = 5


@dataclass(frozen=True, slots=True)
class Exposure:
    """What a request holds that must not leave the house: how many of each kind, and in which fields."""

    found: dict[str, int]
    places: tuple[str, ...]


def look_into(request: object, kinds: Iterable[Sensitive]) -> Exposure | None:
    """What of `kinds` stands in the texts and keys of `request` (JSON, or what is made of it); None: nothing."""
    wanted = frozenset(kinds)
    found = [
        (where, finding)
        for where, text in (_texts(request, "") if wanted else ())
        if FILE.fullmatch(text) is None
        for finding in scan(text, wanted)
    ]
    if not found:
        return None
    places = dict.fromkeys(where for where, _ in found)
    return Exposure(count(finding for _, finding in found), tuple(places)[:PLACES_TOLD])


def _texts(value: object, where: str) -> Iterator[tuple[str, str]]:
    """Every text below `value` and its place, as `messages[0].content`."""
    waiting = [(where, value)]
    while waiting:
        where, value = waiting.pop()
        if isinstance(value, str):
            yield where, value
        elif isinstance(value, dict):
            for key, below in value.items():
                yield f"a key of {where or 'the request'}", str(key)
                waiting.append((f"{where}.{key}" if where else str(key), below))
        elif isinstance(value, (list, tuple)):
            waiting += [(f"{where}[{index}]", below) for index, below in enumerate(value)]
