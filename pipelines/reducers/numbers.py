"""One number of many: the one that most gave, the one in the middle, or their mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from mirepoix.spec import Mean, Median, Numbers, Tolerance
from mirepoix.views import Decision
from pipelines.reducers.ballots import Group, Irreducible, Member, Reduced, count, reduced
from pipelines.reducers.quantities import Quantity, find_quantity


@dataclass(frozen=True, slots=True)
class Reading:
    """A member, and the number that it gave."""

    member: Member
    quantity: Quantity


def vote_on_numbers(members: Sequence[Member], way: Numbers) -> Reduced:
    """The answer of the member whose number has the most weight near it. Raises Irreducible."""
    groups, silent = near_groups(members, way)
    if not groups:
        raise Irreducible("no answer holds a number")
    counted = count(groups, silent)
    chosen = counted.winner.members[0]
    quantity = find_quantity(chosen.answer)
    return reduced(chosen.answer, chosen.path, counted, {"number": quantity.bare if quantity else None})


def near_groups(members: Sequence[Member], way: Tolerance) -> tuple[list[Group], list[Member]]:
    """Members whose numbers lie within the tolerance of one of them, which is first in its group; and the silent.

    The group with the most weight is formed first, then the next one of those that are left.
    """
    readings, silent = _readings(members)
    near = [_near(centre, readings, way) for centre in readings]
    left = set(range(len(readings)))
    groups: list[tuple[int, Group]] = []
    while left:
        centre = max(sorted(left), key=lambda index: _support(readings, index, near[index] & left))
        group = near[centre] & left
        rest = [readings[index].member for index in sorted(group - {centre})]
        groups.append((min(group), Group((readings[centre].member, *rest))))
        left -= group
    return [group for _, group in sorted(groups, key=lambda group: group[0])], silent


def middle(members: Sequence[Member], way: Median | Mean) -> Reduced:
    """The weighted median or mean of the numbers given, on the scale of the first one. Raises Irreducible.

    Numbers with a unit that does not fit to most of the others are left out. The confidence is the weight of those
    within the tolerance of the result.
    """
    readings, silent = _readings(members)
    if not readings:
        raise Irreducible("no answer holds a number")
    comparable = max(([o for o in readings if one.quantity.comparable(o.quantity)] for one in readings), key=len)
    silent += [one.member for one in readings if one not in comparable]
    scale = comparable[0].quantity
    name = "median" if isinstance(way, Median) else "mean"
    pairs = [(_on_scale(one.quantity, scale), one.member.weight) for one in comparable]
    value = weighted_median(pairs) if isinstance(way, Median) else weighted_mean(pairs)
    near = [one for one, (number, _) in zip(comparable, pairs, strict=True) if _are_near(number, value, way)]
    total = sum(member.weight for member in members) or float(len(members))
    agreement = min(1.0, sum(one.member.weight for one in near) / total)
    features: dict[str, JsonValue] = {
        "numbers": {one.member.path: number for one, (number, _) in zip(comparable, pairs, strict=True)},
        "agreement": round(agreement, 4),
        "margin": round(max(0.0, 2 * agreement - 1), 4),
        "abstained": [member.path for member in silent],
    }
    reason = f"the {name} of {len(comparable)} numbers; {len(near)} of {len(members)} lie within the tolerance of it"
    decision = Decision(choice=name, reason=reason, confidence=round(agreement, 4), features=features)
    return Reduced(as_json(value), decision)


def weighted_median(pairs: Sequence[tuple[float, float]]) -> float:
    """The number with half of the weight on either side; between two such numbers their mean. Pairs: number, weight."""
    ordered = sorted(pairs)
    if sum(weight for _, weight in ordered) <= 0:
        ordered = [(number, 1.0) for number, _ in ordered]
    half, so_far = sum(weight for _, weight in ordered) / 2, 0.0
    for index, (number, weight) in enumerate(ordered):
        so_far += weight
        if abs(so_far - half) <= 1e-9 * half and index + 1 < len(ordered):
            return number + (ordered[index + 1][0] - number) / 2
        if so_far > half:
            return number
    return ordered[-1][0]


def weighted_mean(pairs: Sequence[tuple[float, float]]) -> float:
    """Pairs are number and weight."""
    total = sum(weight for _, weight in pairs)
    if total <= 0:
        return weighted_mean([(number, 1.0) for number, _ in pairs])
    return sum(number * (weight / total) for number, weight in pairs)


def is_near(one: Quantity, other: Quantity, way: Tolerance) -> bool:
    """Whether both count as the same number; never when their units have no scale in common."""
    pair = one.comparable(other)
    return pair is not None and _are_near(*pair, way)


def as_json(value: float) -> int | float:
    """A whole number without a point, others without the noise of floating-point arithmetic."""
    rounded = float(f"{value:.12g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def _are_near(one: float, other: float, way: Tolerance) -> bool:
    return one == other or abs(one - other) <= max(way.absolute, way.relative * max(abs(one), abs(other)))


def _readings(members: Sequence[Member]) -> tuple[list[Reading], list[Member]]:
    found = [(member, find_quantity(member.answer)) for member in members]
    readings = [Reading(member, quantity) for member, quantity in found if quantity is not None]
    return readings, [member for member, quantity in found if quantity is None]


def _near(centre: Reading, readings: Sequence[Reading], way: Tolerance) -> set[int]:
    return {index for index, other in enumerate(readings) if is_near(centre.quantity, other.quantity, way)}


def _support(readings: Sequence[Reading], centre: int, near: set[int]) -> tuple[float, float]:
    """The weight near `centre`, and, less being better, how far from it these numbers lie."""
    pairs = [readings[centre].quantity.comparable(readings[index].quantity) for index in near]
    weight = sum(readings[index].member.weight for index in near)
    return round(weight, 9), -sum(abs(one - other) for one, other in filter(None, pairs))


def _on_scale(quantity: Quantity, scale: Quantity) -> float:
    """The number in the unit in which the first one was written."""
    if quantity.unit is None or scale.unit is None or not scale.value:
        return quantity.bare
    return quantity.value * (scale.bare / scale.value)
