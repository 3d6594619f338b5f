"""Make one answer of many; one way of doing it a file."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from mirepoix.spec import ByField, First, Mean, Median, Numbers, Reduce, Tolerance
from mirepoix.views import Decision
from pipelines.reducers.ballots import Group, Irreducible, Member, Reduced, count
from pipelines.reducers.by_field import merge_fields
from pipelines.reducers.numbers import middle, near_groups, vote_on_numbers
from pipelines.reducers.sameness import same_groups
from pipelines.reducers.vote import alike, majority_vote, normalise
from pipelines.reducers.weights import voices

__all__ = [
    "Group",
    "Irreducible",
    "Member",
    "Reduced",
    "agreed",
    "count",
    "first_answer",
    "groups_of",
    "majority_vote",
    "normalise",
    "reduce_answers",
    "same_groups",
    "voices",
]


def reduce_answers(reduce: Reduce, members: Sequence[Member]) -> Reduced:
    """Make one answer of the answers of `members`, of which there is at least one, without asking anybody.

    Where a judge or an aggregator is to be asked, this is a vote. Raises Irreducible.
    """
    match reduce.way:
        case Numbers() as way:
            return vote_on_numbers(members, way)
        case Median() | Mean() as way:
            return middle(members, way)
        case ByField() as way:
            return merge_fields(members, way)
        case First():
            return first_answer(members)
        case _:
            return majority_vote(members)


def groups_of(reduce: Reduce, members: Sequence[Member]) -> list[Group]:
    """Members that agree with each other, in the sense of `reduce`."""
    way = reduce.way
    if isinstance(way, Tolerance) and not isinstance(way, ByField):
        return near_groups(members, way)[0]
    return alike(members)


def agreed(reduce: Reduce, group: Group) -> JsonValue:
    """The one answer of members that agree in the sense of `reduce`."""
    way = reduce.way
    return middle(group.members, way).output if isinstance(way, (Median, Mean)) else group.members[0].answer


def first_answer(members: Sequence[Member]) -> Reduced:
    """The answer of the member that is listed first."""
    voted = majority_vote(members)
    agreeing = next(group for group in alike(members) if group.members[0] is members[0])
    share = len(agreeing.members) / len(members)
    decision = Decision(
        choice=members[0].path,
        reason=f"the first that answered; {len(agreeing.members)} of {len(members)} answers agree with it",
        confidence=round(share, 4),
        features=voted.decision.features | {"agreement": round(share, 4)},
    )
    return Reduced(members[0].answer, decision)
