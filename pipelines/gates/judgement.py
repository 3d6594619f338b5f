"""A judge's words as a score, and what it is shown, between marks that no hostile text can forge."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import sha256

from pydantic import JsonValue

SHOWN = 300
NUMBER = r"(\d+(?:[.,]\d+)?)"
VALUE = rf"{NUMBER}\s*(?:(%)|(?:/|out of)\s*{NUMBER})?"
SCORE_LINE = re.compile(rf"^\W*(?:score|rating|grade)\W*[:=]?\W*{VALUE}", re.IGNORECASE | re.MULTILINE)
ALONE = re.compile(rf"\A\s*{VALUE}\s*\Z", re.IGNORECASE)
LONGEST = 20_000
"""Characters of a judge's answer that are looked at."""
MOST_BRACES = 50


@dataclass(frozen=True, slots=True)
class Judgement:
    """A score, 0..1, and the judge's reason for it."""

    score: float
    reason: str


def read_judgement(answer: JsonValue) -> Judgement | None:
    """What a judge said; None when there is no score from 0 to 1 in it, or more than one.

    An object with a `score`, alone or in a text; else a line `Score: 0.7` (or 70 %, or 7/10), or a number alone.
    """
    if isinstance(answer, bool):
        return None
    if isinstance(answer, (int, float)):
        return _judgement(answer, "")
    if isinstance(answer, dict):
        return _from_object(answer)
    return _from_text(answer[:LONGEST]) if isinstance(answer, str) else None


def fence(name: str, text: str) -> str:
    """`text` between two marks that it cannot hold itself: they carry the first digits of its SHA-256."""
    mark = f"{name}-{sha256(text.encode('utf-8', 'replace')).hexdigest()[:16]}"
    return f"<{mark}>\n{text}\n</{mark}>"


def _from_object(answer: dict[str, JsonValue]) -> Judgement | None:
    value, reason = answer.get("score"), answer.get("reason", "")
    if isinstance(value, str):
        found = _from_words(value)
        value = None if found is None else found
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return _judgement(value, reason if isinstance(reason, str) else "")


def _from_text(text: str) -> Judgement | None:
    objects = _objects(text)
    if objects:
        scores = [judgement for found in objects if (judgement := _from_object(found)) is not None]
        return scores[0] if len({judgement.score for judgement in scores}) == 1 else None
    value = _from_words(text)
    return None if value is None else _judgement(value, " ".join(text.split()))


def _objects(text: str) -> list[dict[str, JsonValue]]:
    """The JSON objects in `text` that hold a score."""
    decoder, found, start = json.JSONDecoder(), list[dict[str, JsonValue]](), text.find("{")
    for _ in range(MOST_BRACES):
        if start < 0:
            break
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = start + 1
        else:
            if isinstance(value, dict) and "score" in value:
                found.append(value)
        start = text.find("{", end)
    return found


def _from_words(text: str) -> float | None:
    matches = SCORE_LINE.findall(text) or ALONE.findall(text)
    scores = {_share(*match) for match in matches}
    return scores.pop() if len(scores) == 1 else None


def _share(number: str, percent: str, of: str) -> float:
    value = float(number.replace(",", "."))
    scale = 100.0 if percent else float(of.replace(",", ".")) if of else 1.0
    return value / scale if scale else -1.0


def _judgement(score: float, reason: str) -> Judgement | None:
    """NaN is not between 0 and 1 either."""
    if not 0 <= score <= 1:
        return None
    plain = "".join(character if character.isprintable() else " " for character in reason)
    return Judgement(round(score, 4), plain.encode("utf-8", "replace").decode()[:SHOWN])
