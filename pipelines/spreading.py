"""A map decides: over how many items it spreads, and what it makes of their answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from mirepoix.ended import Below
from mirepoix.spec import Map
from mirepoix.states import StepState
from mirepoix.views import Decision


@dataclass(frozen=True, slots=True)
class Gathered:
    """The answers of the items, and what was decided."""

    output: list[JsonValue]
    decision: Decision


def spread(items: Sequence[JsonValue]) -> Decision:
    """Do the same for each of `items`."""
    return Decision(choice="spread", reason=f"{len(items)} items", confidence=1.0, features={"items": len(items)})


def gather(node: Map, below: Sequence[Below]) -> Gathered | str:
    """What follows once all items have ended; a text says why there is no answer."""
    failed = [item for item in below if item.state is not StepState.SUCCEEDED]
    answered, needed = len(below) - len(failed), len(below) if node.min_success is None else node.min_success
    if failed and answered < needed:
        return f"{len(failed)} of {len(below)} items failed; the first, {failed[0].path}: {failed[0].error}"
    reason = f"{answered} of {len(below)} items answered" if failed else f"{len(below)} items answered"
    confidence, features = answered / len(below), {"failed": [item.path for item in failed]} if failed else {}
    decision = Decision(choice="gather", reason=reason, confidence=round(confidence, 4), features=features)
    return Gathered([item.output for item in below], decision)
