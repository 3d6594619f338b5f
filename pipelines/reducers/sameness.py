"""Answers that count as the same, in the sense that a cascade gives the word."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from mirepoix.spec import Fields, SameAs
from pipelines.reducers.ballots import Group, Member
from pipelines.reducers.by_field import as_object, is_number
from pipelines.reducers.numbers import is_near, near_groups
from pipelines.reducers.quantities import Quantity
from pipelines.reducers.vote import alike, normalise


def same_groups(by: SameAs, members: Sequence[Member]) -> list[Group]:
    """Members whose answers are the same, in the order of the first of each group.

    Empty answers, answers without a number where numbers are compared, and those without the fields where fields are,
    agree with none and stand in no group.
    """
    speaking = [member for member in members if not _is_empty(member.answer)]
    if by.numbers is not None:
        return near_groups(speaking, by.numbers)[0]
    if by.fields is not None:
        return _by_fields(by.fields, speaking)
    return alike(speaking)


def _by_fields(fields: Fields, members: Sequence[Member]) -> list[Group]:
    groups: list[list[tuple[Member, tuple[JsonValue, ...]]]] = []
    for member in members:
        values = _values(fields, member.answer)
        if values is None:
            continue
        known = next((group for group in groups if _same(fields, group[0][1], values)), None)
        if known is None:
            groups.append([(member, values)])
        else:
            known.append((member, values))
    return [Group(tuple(member for member, _ in group)) for group in groups]


def _values(fields: Fields, answer: JsonValue) -> tuple[JsonValue, ...] | None:
    """The fields of the object that `answer` is or holds; None where it lacks one."""
    values: list[JsonValue] = []
    for name in fields.names:
        value: JsonValue = as_object(answer)
        for part in name.split("."):
            if not isinstance(value, dict) or part not in value:
                return None
            value = value[part]
        values.append(value)
    return tuple(values)


def _same(fields: Fields, one: Sequence[JsonValue], other: Sequence[JsonValue]) -> bool:
    return all(_same_value(fields, *pair) for pair in zip(one, other, strict=True))


def _same_value(fields: Fields, one: JsonValue, other: JsonValue) -> bool:
    if is_number(one) and is_number(other):
        return is_near(Quantity(float(one)), Quantity(float(other)), fields)
    return normalise(one) == normalise(other)


def _is_empty(answer: JsonValue) -> bool:
    return answer is None or (isinstance(answer, str) and not answer.strip())
