"""Which tiers of a cascade say the same: as their texts, numbers or fields do, or as a judge says of two at a time.

A judge is asked about a tier's answer and one answer of each group before it, and only where it can matter: texts that
are the same need no judge, nor do answers that are too few to be enough. Whatever it does not clearly call the same
counts as different.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from mirepoix.spec import Agreement
from mirepoix.spec.agreement import SameOrJudged
from pipelines.gates.seen import Heard, Tier
from pipelines.reducers import Member, same_groups

LONGEST = 20_000
"""Characters of a judge's answer that are looked at."""
SAME = {"same": True, "yes": True, "true": True, "different": False, "not the same": False, "no": False, "false": False}
WORDS = re.compile(r"[^a-z ]+")
Groups = list[tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Standing:
    """The tiers `agreeing` say the same: the most there are; of groups as large the one with the last tier in it.

    Whether `tier` says what the `open` ones say, a judge has still to tell. `features` go into the trace.
    """

    agreeing: tuple[int, ...]
    tier: int = 0
    open: tuple[int, ...] = ()
    features: dict[str, JsonValue] = field(default_factory=dict)


def see_agreement(agreement: Agreement | None, tiers: Sequence[Tier]) -> Standing:
    """How far the `tiers` asked so far agree; as texts where `agreement` says nothing else."""
    by = agreement.by if agreement else SameOrJudged()
    members = [Member(str(index), tier.answer) for index, tier in enumerate(tiers) if tier.error is None]
    groups = [tuple(sorted(int(member.path) for member in group.members)) for group in same_groups(by, members)]
    if agreement is None or by.judge is None or _enough(agreement, groups):
        return Standing(_largest(groups))
    return _as_judged(agreement, groups, tiers)


def _as_judged(agreement: Agreement, groups: Groups, tiers: Sequence[Tier]) -> Standing:
    """Join groups of same texts, in the order of their first tiers, with those that a judge found the same."""
    joined: Groups = []
    features: dict[str, JsonValue] = {}
    able = sum(map(len, groups)) >= agreement.of
    for number, group in enumerate(groups):
        first = group[0]
        before = [other[0] for other in joined]
        heard = tiers[first].compared
        said = {other: read_sameness(heard[other]) for other in before if other in heard}
        features |= {f"{first} = {other}": same for other, same in said.items()}
        missing = tuple(other for other in before if other not in said)
        same = next((index for index, other in enumerate(joined) if said.get(other[0])), None)
        if same is not None:
            joined[same] = tuple(sorted((*joined[same], *group)))
        elif missing and able and not _enough(agreement, joined):
            return Standing(_largest([*joined, *groups[number:]]), first, missing, {"compared": features})
        else:
            joined.append(group)
    return Standing(_largest(joined), features={"compared": features} if features else {})


def read_sameness(heard: Heard) -> bool | None:
    """What a judge said: an object with `same`, alone or in a text, or one of a few words; None for anything else."""
    said = heard.answer
    if heard.error is not None:
        return None
    if isinstance(said, dict):
        return _flag(said.get("same"))
    if isinstance(said, bool) or not isinstance(said, str):
        return _flag(said)
    text = said[:LONGEST]
    start, end = text.find("{"), text.rfind("}")
    if start < 0:
        return _flag(text)
    try:
        found = json.loads(text[start : end + 1])
    except (ValueError, RecursionError):
        return None
    return _flag(found.get("same"))


def _flag(value: JsonValue) -> bool | None:
    if isinstance(value, bool):
        return value
    return SAME.get(" ".join(WORDS.sub(" ", value.casefold()).split())) if isinstance(value, str) else None


def _enough(agreement: Agreement, groups: Groups) -> bool:
    return any(len(group) >= agreement.of for group in groups)


def _largest(groups: Groups) -> tuple[int, ...]:
    return max(groups, key=lambda group: (len(group), group[-1]), default=())
