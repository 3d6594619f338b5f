"""Routers that need no more than a glance: the first branch, private ones, the cheapest, the fastest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from mirepoix.spec import Route
from mirepoix.views import usd_text
from pipelines.privacy import say
from pipelines.routers.expectation import Candidate
from pipelines.routers.preference import Preference
from pipelines.routers.query import Query


def first(node: Route, query: Query, candidates: Sequence[Candidate]) -> Preference:
    """In the order in which they are written."""
    return Preference(candidates[0].index, "the first that can answer")


def by_privacy(node: Route, query: Query, candidates: Sequence[Candidate]) -> Preference:
    """A private branch for what is sensitive, one that is not for everything else."""
    wanted = bool(query.sensitive)
    chosen = next((c for c in candidates if bool(c.branch.private) == wanted), candidates[0])
    seen = f"the query holds {say(query.sensitive)}" if wanted else "nothing sensitive was found"
    as_wanted = bool(chosen.branch.private) == wanted
    missing = "" if as_wanted else f"; no branch that is {'' if wanted else 'not '}private can answer"
    return Preference(chosen.index, seen + missing, 1.0 if as_wanted else 0.5, {"found": query.sensitive})


def cheapest(node: Route, query: Query, candidates: Sequence[Candidate]) -> Preference:
    """By the expected cost."""
    return _least(candidates, lambda candidate: candidate.cost, "cost", lambda usd: f"{usd_text(usd)} USD")


def fastest(node: Route, query: Query, candidates: Sequence[Candidate]) -> Preference:
    """By the expected seconds."""
    return _least(candidates, lambda candidate: candidate.seconds, "seconds", lambda seconds: f"{seconds:.2f} s")


def _least(
    candidates: Sequence[Candidate],
    amount: Callable[[Candidate], Decimal | float | None],
    name: str,
    show: Callable[[Any], str],
) -> Preference:
    amounts = {candidate.index: amount(candidate) for candidate in candidates}
    known = {index: value for index, value in amounts.items() if value is not None}
    seen = {f"to.{index}": None if value is None else str(value) for index, value in amounts.items()}
    if not known:
        return Preference(candidates[0].index, f"no {name} is known; the first that can answer", 0.5, {name: seen})
    chosen = min(known, key=lambda index: known[index])
    reason = f"{show(known[chosen])} expected, the least of {len(known)}"
    return Preference(chosen, reason, 1.0 if len(known) == len(amounts) else 0.75, {name: seen})
