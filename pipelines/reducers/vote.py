"""Make one answer of many."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from mirepoix.views import Decision

CONFIDENCE_LINE = re.compile(r"^\W*confidence\W*[:=].*$", re.IGNORECASE | re.MULTILINE)
EDGES = " \t\r\n.,;:!?\"'`*_()[]"


@dataclass(frozen=True, slots=True)
class Member:
    """A member's answer, and the path of the step that gave it."""

    path: str
    answer: JsonValue


def majority_vote(members: Sequence[Member]) -> tuple[JsonValue, Decision]:
    """The answer that most members gave; of equals, the one given first. `members` must not be empty.

    Agreement, the winners' share of the votes, is the confidence.
    """
    ballots = [normalise(member.answer) for member in members]
    votes = Counter(ballots)
    winner = max(votes, key=lambda ballot: (votes[ballot], -ballots.index(ballot)))
    chosen = members[ballots.index(winner)]
    agreement = votes[winner] / len(members)
    tied = sum(count == votes[winner] for count in votes.values()) > 1
    reason = f"{votes[winner]} of {len(members)} answers agree" + (
        "; a tie, the first one given stands" if tied else ""
    )
    return chosen.answer, Decision(
        choice=chosen.path,
        reason=reason,
        confidence=round(agreement, 4),
        features={
            "votes": [votes[ballot] for ballot in dict.fromkeys(ballots)],
            "voters": {member.path: list(votes).index(ballot) for member, ballot in zip(members, ballots, strict=True)},
            "tied": tied,
        },
    )


def normalise(answer: JsonValue) -> str:
    """What answers that count as the same share: no case, no edge punctuation, single spaces, no confidence line."""
    if not isinstance(answer, str):
        return json.dumps(answer, sort_keys=True, ensure_ascii=False)
    text = " ".join(CONFIDENCE_LINE.sub("", answer).split())
    return text.strip(EDGES).casefold()
