"""Which calls of a job stand for its question asked once: those that one model alone would have had to answer too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal

from mirepoix.answered import AnsweredStep

CANDIDATES = {"cascade": "tiers", "ensemble": "members"}
"""Kinds whose children are answers to one and the same question, and how those are called (mirepoix/paths.py)."""


def asked_once(steps: Sequence[AnsweredStep], costs: Mapping[str, Decimal]) -> Decimal:
    """What the answered questions of a job cost when each is asked once; `costs` is what a call costs, by its path.

    Each link of a chain, each item of a map and the branch of a route is a question of its own. The tiers of a cascade
    are one question, that of the tier whose answer stood; so are the members of an ensemble, that of the cheapest
    among those whose answer it gave, or among all where it made a new one of them. Judges, aggregators, samples and
    answers that were thrown away are what one model alone does not need. A call without a cost counts as 0.
    """
    below: dict[str | None, list[AnsweredStep]] = defaultdict(list)
    for step in steps:
        below[step.parent].append(step)
    return sum((_once(root, below, costs) for root in below[None]), Decimal(0))


def _once(step: AnsweredStep, below: Mapping[str | None, list[AnsweredStep]], costs: Mapping[str, Decimal]) -> Decimal:
    if step.kind == "call":
        return costs.get(step.path, Decimal(0))
    children = below.get(step.path, [])
    if step.kind not in CANDIDATES:
        return sum((_once(child, below, costs) for child in children), Decimal(0))
    name = CANDIDATES[step.kind]
    answers = [child for child in children if _name(child, step) == name]
    standing = [child for child in answers if child.output_hash == step.output_hash] or answers
    if step.kind == "cascade":
        standing = sorted(standing, key=lambda child: child.position)[-1:]
    return min((_once(child, below, costs) for child in standing), default=Decimal(0))


def _name(child: AnsweredStep, parent: AnsweredStep) -> str:
    """`members` for `analyse.members.1` below `analyse`."""
    below = child.path if parent.parent is None else child.path.removeprefix(f"{parent.path}.")
    return below.partition(".")[0]
