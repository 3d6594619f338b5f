"""What a judge or an aggregator is shown, and what a judge says of it."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Sequence

from pydantic import JsonValue

from pipelines.reducers.ballots import Group

BEST = ("best", "answer", "number", "choice", "verdict")
LONGEST_LINE = 80
_ALONE = re.compile(
    r"\W*(?:the\s+)?(?:best)?\s*(?:answer|number|choice|verdict)?\s*(?:is|:|=)?\W*(\d{1,4})\W*", re.IGNORECASE
)


def shuffled(groups: Sequence[Group], seed: str) -> list[Group]:
    """The order in which answers are shown: by chance, since models favour places; the same for the same `seed`."""
    order = list(groups)
    random.Random(seed).shuffle(order)
    return order


def mark_of(seed: str) -> str:
    """What begins the lines between which answers stand. No answer can know it: it is drawn from the job's id."""
    return f"#{hashlib.sha256(seed.encode()).hexdigest()[:16]}"


def shown(answer: JsonValue, mark: str) -> JsonValue:
    """An answer as material: it cannot end the lines it stands between, even if it has come to know the mark."""
    return answer.replace(mark[1:], "") if isinstance(answer, str) else answer


def read_verdict(said: JsonValue, answers: int) -> int | None:
    """The number from 1 to `answers` that a judge says, or None when it says none of them, or several.

    Taken are a number alone, an object with one under a usual name, a first or last line with nothing but a number,
    and a text in which only one number stands.
    """
    number = _number_said(said)
    return number if number is not None and 1 <= number <= answers else None


def _number_said(said: JsonValue) -> int | None:
    if isinstance(said, bool):
        return None
    if isinstance(said, (int, float)):
        return int(said) if int(said) == said else None
    if isinstance(said, dict):
        named = [said[name] for name in BEST if name in said]
        return _number_said(named[0]) if len(named) == 1 and not isinstance(named[0], dict) else None
    return _in_text(said) if isinstance(said, str) else None


def _in_text(text: str) -> int | None:
    lines = [line for line in text.splitlines() if line.strip()]
    for line in (lines[-1], lines[0]) if lines else ():
        alone = _ALONE.fullmatch(line) if len(line) <= LONGEST_LINE else None
        if alone:
            return int(alone.group(1))
    numbers = {int(number) for number in re.findall(r"(?<![\w.])\d{1,4}(?![\w]|\.\d)", text)}
    return numbers.pop() if len(numbers) == 1 else None
