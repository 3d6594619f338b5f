"""A route that takes the branch that another job took."""

from __future__ import annotations

from mirepoix.again import Again
from mirepoix.paths import Place, children
from mirepoix.views import Decision
from pipelines.routers import Choice


def pinned_branch(place: Place, again: Again | None) -> Choice | None:
    """The branch that the job before took at `place`; None where nothing is pinned there."""
    choice = None if again is None else again.pins.get(place.path)
    if again is None or choice is None or choice not in {f"to.{branch.index}" for branch in children(place)}:
        return None
    reason = f"pinned to what job {again.job} chose"
    decision = Decision(choice=choice, reason=reason, confidence=1.0, features={"pinned": again.job})
    return Choice(int(choice.removeprefix("to.")), decision)
