"""What is said of sensitive data: its kind and place, never what it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from mirepoix.privacy import Sensitive


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Sensitive data of one kind at `start` to `end` of a text."""

    start: int
    end: int
    kind: Sensitive


def count(findings: Iterable[Finding]) -> dict[str, int]:
    """How many there are of each kind, as a decision or an error may tell it."""
    return dict(sorted(Counter(finding.kind.value for finding in findings).items()))


def say(counts: dict[str, int]) -> str:
    """`card (1), email (2)`."""
    return ", ".join(f"{kind} ({number})" for kind, number in counts.items())
