"""By what costs can be summed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cli.times import parse_moment
from db.costs import ByTag, CostBy, parse_grouping
from mirepoix.errors import InputError

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def test_a_grouping_is_a_known_word_or_a_tag() -> None:
    assert parse_grouping("day") is CostBy.DAY
    assert parse_grouping("tag:team") == ByTag("team")
    with pytest.raises(InputError, match=r"unknown 'tenan'\. Did you mean 'tenant'"):
        parse_grouping("tenan")
    for text in ("tag:", "tag:a b", 'tag:x"', "tag:" + "x" * 65):
        with pytest.raises(InputError, match="a name has letters"):
            parse_grouping(text)


def test_moments_are_written_as_people_do() -> None:
    assert parse_moment("36h", NOON) == datetime(2026, 11, 24, 0, tzinfo=UTC)
    assert parse_moment("2w", NOON) == datetime(2026, 11, 11, 12, tzinfo=UTC)
    assert parse_moment("2026-11-25", NOON) == datetime(2026, 11, 25, tzinfo=UTC)
    assert parse_moment("2026-11-25T14:00+02:00", NOON) == NOON
    for text in ("", "yesterday", "-1d", "999999w", "1y"):
        with pytest.raises(InputError, match="is no time"):
            parse_moment(text, NOON)
