"""One JSON object of many, field by field."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from pydantic import JsonValue

from mirepoix.spec import ByField
from mirepoix.views import Decision
from pipelines.reducers.ballots import TIES, Irreducible, Member, Reduced, count
from pipelines.reducers.numbers import as_json, weighted_mean, weighted_median
from pipelines.reducers.vote import alike

DEEPEST = 20
SHOWN = 50
"""Fields whose agreement the trace shows, the least agreed ones first."""
FENCE = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)

Value = tuple[JsonValue, Member]


@dataclass(slots=True)
class _Merge:
    """What is known of the fields so far. `voices` is the weight of all members together."""

    way: ByField
    voices: float
    agreement: dict[str, float] = field(default_factory=dict)
    margins: list[float] = field(default_factory=list)
    tied: list[str] = field(default_factory=list)

    def object(self, values: Sequence[Value], path: str, depth: int) -> dict[str, JsonValue]:
        """Each field that members with at least half of the weight gave."""
        by_name: dict[str, list[Value]] = {}
        for value, member in values:
            for name, part in value.items() if isinstance(value, dict) else ():
                by_name.setdefault(name, []).append((part, member))
        whole = sum(member.weight for _, member in values)
        merged: dict[str, JsonValue] = {}
        for name, parts in by_name.items():
            if 2 * sum(member.weight for _, member in parts) >= whole - TIES:
                merged[name] = self.field(parts, f"{path}.{name}" if path else name, depth)
        return merged

    def field(self, values: Sequence[Value], path: str, depth: int) -> JsonValue:
        """The value of one field, by its rule or its type."""
        rule = self.way.choose.get(path)
        parts = [part for part, _ in values]
        if rule in (None, "union", "intersection") and all(isinstance(part, list) for part in parts):
            return self._together(values, path, everywhere=rule == "intersection")
        numbers = [(float(part), member) for part, member in values if is_number(part)]
        if (rule in ("median", "mean") and numbers) or (rule is None and len(numbers) == len(parts)):
            return self._middle(numbers, path, mean=rule == "mean")
        if rule is None and depth < DEEPEST and all(isinstance(part, dict) for part in parts):
            return self.object(values, path, depth + 1)
        return self._majority(values, path, first=rule == "first")

    def _majority(self, values: Sequence[Value], path: str, *, first: bool) -> JsonValue:
        voters = [Member(str(index), part, member.weight) for index, (part, member) in enumerate(values)]
        counted = count(alike(voters))
        if first:
            given = next(group for group in counted.groups if group.members[0] is voters[0])
            self.agreement[path] = self._share(given.weight)
            return voters[0].answer
        self.agreement[path] = self._share(counted.winner.weight)
        self.margins.append(counted.margin)
        if len(counted.tied) > 1:
            self.tied.append(path)
        return counted.winner.members[0].answer

    def _middle(self, values: Sequence[tuple[float, Member]], path: str, *, mean: bool) -> JsonValue:
        pairs = [(number, member.weight) for number, member in values]
        value = weighted_mean(pairs) if mean else weighted_median(pairs)
        near = [weight for number, weight in pairs if _is_near(number, value, self.way)]
        self.agreement[path] = self._share(sum(near))
        return as_json(value)

    def _together(self, values: Sequence[Value], path: str, *, everywhere: bool) -> JsonValue:
        """The union of lists in the order of their first mention, or what is in all of them."""
        voters: dict[str, tuple[JsonValue, dict[str, float]]] = {}
        for parts, member in values:
            for part in parts if isinstance(parts, list) else ():
                key = json.dumps(part, sort_keys=True).casefold()
                voters.setdefault(key, (part, {}))[1][member.path] = member.weight
        shares = [self._share(sum(who.values())) for _, who in voters.values()]
        self.agreement[path] = sum(shares) / len(shares) if shares else 1.0
        return [part for part, who in voters.values() if not everywhere or len(who) == len(values)]

    def _share(self, weight: float) -> float:
        return min(1.0, weight / self.voices)


def merge_fields(members: Sequence[Member], way: ByField) -> Reduced:
    """Merge the objects that the members gave, as JSON or as text that holds it. Raises Irreducible.

    The mean of the fields' agreement is the confidence.
    """
    found = [(as_object(member.answer), member) for member in members]
    objects: list[Value] = [(answer, member) for answer, member in found if answer is not None]
    if not objects:
        raise Irreducible("no answer is a JSON object")
    if not sum(member.weight for _, member in objects):
        objects = [(answer, Member(member.path, member.answer)) for answer, member in objects]
    silent = [member for answer, member in found if answer is None]
    merge = _Merge(way, sum(member.weight for _, member in objects) + sum(member.weight for member in silent))
    output = merge.object(objects, "", 0)
    shares = merge.agreement
    agreement = sum(shares.values()) / len(shares) if shares else 0.0
    weakest = sorted(shares, key=lambda path: shares[path])[:SHOWN]
    features: dict[str, Any] = {
        "fields": {path: round(shares[path], 4) for path in weakest},
        "members": [member.path for _, member in objects],
        "agreement": round(agreement, 4),
        "margin": round(min(merge.margins), 4) if merge.margins else None,
        "tied": merge.tied[:SHOWN],
        **({"abstained": [member.path for member in silent]} if silent else {}),
    }
    reason = f"{len(shares)} fields of {len(objects)} objects" + (
        f"; least agreed: {weakest[0]} ({shares[weakest[0]]:.0%})" if weakest else ""
    )
    decision = Decision(choice="merged", reason=reason, confidence=round(agreement, 4), features=features)
    return Reduced(output, decision, tuple(merge.tied))


def as_object(answer: JsonValue) -> dict[str, JsonValue] | None:
    """The JSON object that `answer` is, or holds as text, perhaps in a fenced block; else None."""
    if isinstance(answer, dict):
        return answer
    if not isinstance(answer, str):
        return None
    fenced = FENCE.search(answer)
    text = fenced.group(1) if fenced else answer[answer.find("{") : answer.rfind("}") + 1]
    try:
        value: JsonValue = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def is_number(part: JsonValue) -> TypeGuard[int | float]:
    """Whether it is a number, no boolean, and small enough to be reckoned with."""
    return isinstance(part, (int, float)) and not isinstance(part, bool) and abs(part) < 1e300


def _is_near(number: float, value: float, way: ByField) -> bool:
    return abs(number - value) <= max(way.absolute, way.relative * max(abs(number), abs(value)))
