"""The answer that most members gave."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from pydantic import JsonValue

from pipelines.reducers.ballots import Group, Member, Reduced, count, reduced

CONFIDENCE_LINE = re.compile(r"^[^\w\n]*confidence[^\w\n]*[:=].*$", re.IGNORECASE | re.MULTILINE)
EDGES = " \t\r\n.,;:!?\"'`*_()[]"


def majority_vote(members: Sequence[Member]) -> Reduced:
    """The answer with the most weight behind it; of equals, the one given first. `members` must not be empty.

    Agreement, the winners' share of the votes, is the confidence.
    """
    counted = count(alike(members))
    chosen = counted.winner.members[0]
    return reduced(chosen.answer, chosen.path, counted)


def alike(members: Sequence[Member]) -> list[Group]:
    """Members whose answers are the same once normalised."""
    groups: dict[str, list[Member]] = {}
    for member in members:
        groups.setdefault(normalise(member.answer), []).append(member)
    return [Group(tuple(group)) for group in groups.values()]


def normalise(answer: JsonValue) -> str:
    """What answers that count as the same share: no case, no edge punctuation, single spaces, no confidence line."""
    if not isinstance(answer, str):
        return json.dumps(answer, sort_keys=True, ensure_ascii=False)
    text = " ".join(CONFIDENCE_LINE.sub("", answer).split())
    return text.strip(EDGES).casefold()
