"""What a month will cost, from what its days have cost so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

FEWEST_DAYS = 7
MOST_DAYS = 28
"""Whole weeks, so that no weekday counts more than another."""
CONFIDENCE = 0.9
T_95 = {
    6: "1.943", 7: "1.895", 8: "1.860", 9: "1.833", 10: "1.812", 11: "1.796", 12: "1.782", 13: "1.771", 14: "1.761",
    15: "1.753", 16: "1.746", 17: "1.740", 18: "1.734", 19: "1.729", 20: "1.725", 21: "1.721", 22: "1.717", 23: "1.714",
    24: "1.711", 25: "1.708", 26: "1.706", 27: "1.703",
}  # fmt: skip
"""The 95 % quantile of Student's t by degrees of freedom (NIST/SEMATECH e-Handbook, 1.3.6.7.2)."""
DAY_SECONDS = Decimal(86_400)
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Forecast:
    """USD by the end of the `month` (`2026-11`): `spent` so far, `expected` in all.

    The truth lies between `low` and `high` in nine of ten cases, if the rest of the month is like the `days` whole days
    that this rests on; all three are None where those are fewer than seven.
    """

    month: str
    spent: Decimal
    days: int
    expected: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None


def forecast(sums: Mapping[date, Decimal], moment: datetime) -> Forecast:
    """The forecast for the month of `moment` from daily sums (UTC); days of the last four weeks without one cost 0.

    Days count from the first that has a sum. With mean m and standard deviation s of n days, k more days come to
    k m ± t s √(k + k²/n): the k days scatter by themselves, and m is known only so well (the prediction interval of
    the normal distribution; e.g. Hahn and Meeker, Statistical Intervals, 1991, ch. 4).
    """
    moment = moment.astimezone(UTC)
    month = f"{moment:%Y-%m}"
    spent = sum((usd for day, usd in sums.items() if f"{day:%Y-%m}" == month), Decimal(0))
    seen = _whole_days(sums, moment.date())
    if len(seen) < FEWEST_DAYS:
        return Forecast(month, spent, len(seen))
    left, number = _days_left(moment), Decimal(len(seen))
    mean = sum(seen, Decimal(0)) / number
    variance = sum(((usd - mean) ** 2 for usd in seen), Decimal(0)) / (number - 1)
    margin = Decimal(T_95[len(seen) - 1]) * (variance * (left + left**2 / number)).sqrt()
    expected = spent + mean * left
    low = max(expected - margin, spent)
    return Forecast(month, spent, len(seen), *(usd.quantize(CENT) for usd in (expected, low, expected + margin)))


def first_day(moment: datetime) -> datetime:
    """From when on the sums are needed: the month so far, and the last four weeks."""
    moment = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return min(moment.replace(day=1), moment - timedelta(days=MOST_DAYS))


def _whole_days(sums: Mapping[date, Decimal], today: date) -> list[Decimal]:
    """The sums of the days before `today`, four weeks at the most, whole weeks where there are two."""
    earlier = [day for day in sums if day < today]
    if not earlier:
        return []
    number = min((today - min(earlier)).days, MOST_DAYS)
    number -= number % 7 if number >= 2 * FEWEST_DAYS else 0
    return [sums.get(today - timedelta(days=back), Decimal(0)) for back in range(1, number + 1)]


def _days_left(moment: datetime) -> Decimal:
    end = (moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)).replace(day=1)
    return Decimal(str((end - moment).total_seconds())) / DAY_SECONDS
