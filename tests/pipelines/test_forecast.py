"""Forecasts: what they say, when they say nothing, and how often they are right."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from pipelines.forecast import first_day, forecast

NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)


def days_before(moment: datetime, number: int, usd: str) -> dict[date, Decimal]:
    """So many whole days that cost the same."""
    return {moment.date() - timedelta(days=back): Decimal(usd) for back in range(1, number + 1)}


def test_even_days_give_an_exact_forecast() -> None:
    found = forecast(days_before(NOON, 28, "2") | {NOON.date(): Decimal(1)}, NOON)
    assert (found.month, found.spent, found.days) == ("2026-11", Decimal(31), 28)
    assert found.expected == found.low == found.high == Decimal("60.00")


def test_fewer_than_seven_whole_days_give_no_forecast() -> None:
    sums = days_before(NOON, 6, "2") | {NOON.date(): Decimal(1)}
    found = forecast(sums, NOON)
    assert (found.spent, found.days, found.expected) == (Decimal(13), 6, None)
    assert forecast({}, NOON).spent == 0
    assert forecast(days_before(NOON, 7, "2"), NOON).expected is not None


def test_days_without_calls_count_as_free_and_older_ones_not_at_all() -> None:
    sums = {NOON.date() - timedelta(days=14): Decimal(14), NOON.date() - timedelta(days=200): Decimal(9999)}
    found = forecast(sums, NOON)
    assert found.days == 28
    assert found.expected == (Decimal(14) + Decimal("0.5") * Decimal("14.5")).quantize(Decimal("0.01"))
    assert found.low == found.spent == Decimal(14)


def test_what_is_needed_begins_four_weeks_ago_or_with_the_month() -> None:
    assert first_day(NOON) == datetime(2026, 10, 19, tzinfo=UTC)
    assert first_day(datetime(2026, 10, 31, 23, tzinfo=UTC)) == datetime(2026, 10, 1, tzinfo=UTC)


def test_the_interval_holds_the_truth_in_nine_of_ten_months() -> None:
    held = 0
    for seed in range(400):
        chance = random.Random(seed)
        start = datetime(2026, 11, chance.randint(2, 28), tzinfo=UTC)
        costs = {
            date(2026, 10, 1) + timedelta(days=day): Decimal(round(chance.gammavariate(4, 3), 4)) for day in range(61)
        }
        truth = sum(usd for day, usd in costs.items() if day.month == 11)
        found = forecast({day: usd for day, usd in costs.items() if day < start.date()}, start)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
    print(f"the interval held the truth in {held} of 400 months")
    assert 340 <= held <= 385
