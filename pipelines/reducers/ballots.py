"""Members with their answers, gathered in groups that agree; and what a count of them says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from mirepoix.views import Decision

TIES = 1e-9
"""Weights are floats: what differs by less is equal."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member's answer, the path of the step that gave it, and its voice."""

    path: str
    answer: JsonValue
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Reduced:
    """The one answer, and why. With `tied` others had as many votes: the paths of one member of each such group."""

    output: JsonValue
    decision: Decision
    tied: tuple[str, ...] = ()


class Irreducible(Exception):
    """No one answer can be made of these; the text says why."""


@dataclass(frozen=True, slots=True)
class Group:
    """Members that agree, in the order of the members; never empty."""

    members: tuple[Member, ...]

    @property
    def weight(self) -> float:
        """Their voices together."""
        return sum(member.weight for member in self.members)


@dataclass(frozen=True, slots=True)
class Count:
    """Groups in the order of their first members, and the group that won. Shares are of all voices, 0..1.

    `abstained` are the paths of members whose answers belong to no group; their voices count as not agreeing.
    """

    groups: tuple[Group, ...]
    winner: Group
    agreement: float
    margin: float
    tied: tuple[Group, ...]
    abstained: tuple[str, ...] = ()

    def features(self) -> dict[str, JsonValue]:
        """The ballots, member by member, as the trace shows them."""
        voices = {member.path: member.weight for group in self.groups for member in group.members}
        features: dict[str, JsonValue] = {
            "votes": [len(group.members) for group in self.groups],
            "voters": {member.path: index for index, group in enumerate(self.groups) for member in group.members},
            "agreement": round(self.agreement, 4),
            "margin": round(self.margin, 4),
            "tied": len(self.tied) > 1,
        }
        if self.abstained:
            features["abstained"] = list(self.abstained)
        if len(set(voices.values())) > 1:
            features["weights"] = {path: round(weight, 4) for path, weight in voices.items()}
        return features

    def said(self) -> str:
        """As `2 of 3 answers agree`."""
        total = sum(len(group.members) for group in self.groups) + len(self.abstained)
        text = f"{len(self.winner.members)} of {total} answers agree"
        if len({member.weight for group in self.groups for member in group.members}) > 1:
            text += f" with {self.agreement:.0%} of the weight"
        return text + ("; a tie, the first one given stands" if len(self.tied) > 1 else "")


def count(groups: Sequence[Group], abstaining: Sequence[Member] = ()) -> Count:
    """Weigh the groups; of equals the one whose first member comes first wins. `groups` must not be empty.

    Where no voice counts at all, all count the same.
    """
    weights, beside = [group.weight for group in groups], sum(member.weight for member in abstaining)
    if sum(weights) <= 0:
        weights, beside = [float(len(group.members)) for group in groups], float(len(abstaining))
    total, most = sum(weights) + beside, max(weights)
    first = next(index for index, weight in enumerate(weights) if most - weight <= TIES * total)
    runner_up = max((weight for index, weight in enumerate(weights) if index != first), default=0.0)
    tied = tuple(group for group, weight in zip(groups, weights, strict=True) if most - weight <= TIES * total)
    return Count(
        groups=tuple(groups),
        winner=groups[first],
        agreement=most / total,
        margin=(most - runner_up) / total,
        tied=tied,
        abstained=tuple(member.path for member in abstaining),
    )


def reduced(output: JsonValue, chosen: str, counted: Count, extra: dict[str, JsonValue] | None = None) -> Reduced:
    """The end of a count: `output`, given by the member at the path `chosen`."""
    decision = Decision(
        choice=chosen,
        reason=counted.said(),
        confidence=round(counted.agreement, 4),
        features={**counted.features(), **(extra or {})},
    )
    ties = tuple(group.members[0].path for group in counted.tied) if len(counted.tied) > 1 else ()
    return Reduced(output, decision, ties)
