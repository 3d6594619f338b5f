"""Costs by day and model over weeks, without reading weeks of attempts for each look.

Hours and days that are over do not change any more, so their sums are remembered in this process; only what is still
open is read again. After a start the first look reads all of its days once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from threading import Lock

from starlette.requests import Request

from db.spans import ModelSum, sum_span
from mirepoix.ledger.engine import Database
from mirepoix.ledger.tables import now
from web.house import house_of

SETTLED = timedelta(hours=1)
"""A call takes an hour at the most, so what began before that has ended, or never will."""
LOST = timedelta(days=1)
"""Attempts without an outcome after so long are taken for lost: their span counts as settled."""
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Day:
    """One day (UTC), and what each model cost on it."""

    date: date
    models: tuple[ModelSum, ...]


class DaySums:
    """The sums of settled spans, by their beginning and end."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[Span, tuple[ModelSum, ...]] = {}
        self._lock = Lock()

    def last_days(self, count: int, moment: datetime | None = None) -> list[Day]:
        """The last `count` days, today last."""
        present = moment or now()
        today = present.date()
        dates = [today - timedelta(days=back) for back in reversed(range(count))]
        with self._lock:
            return [Day(day, self._sum(day, present)) for day in dates]

    def _sum(self, day: date, present: datetime) -> tuple[ModelSum, ...]:
        start = datetime.combine(day, time(), UTC)
        whole = (start, start + DAY)
        if whole in self._known:
            return self._known[whole]
        models = merged(row for span in _spans(start, present) for row in self._of(span, present))
        if start + DAY + SETTLED <= present and not _is_open(models, whole, present):
            self._known[whole] = models
            self._known = {span: rows for span, rows in self._known.items() if span == whole or not _in(span, whole)}
        return models

    def _of(self, span: Span, present: datetime) -> tuple[ModelSum, ...]:
        if span in self._known:
            return self._known[span]
        with self._database.read() as connection:
            models = sum_span(connection, *span)
        if span[1] + SETTLED <= present and not _is_open(models, span, present):
            self._known[span] = models
        return models


def merged(rows: Iterable[ModelSum]) -> tuple[ModelSum, ...]:
    """One row for each model, the dearest first."""
    sums: dict[tuple[str, str], ModelSum] = {}
    for row in rows:
        before = sums.get((row.provider, row.model))
        sums[row.provider, row.model] = row if before is None else _plus(before, row)
    return tuple(sorted(sums.values(), key=lambda row: (-row.cost_usd, -row.attempts, row.model)))


def _plus(one: ModelSum, other: ModelSum) -> ModelSum:
    return replace(
        one,
        attempts=one.attempts + other.attempts,
        failed=one.failed + other.failed,
        unfinished=one.unfinished + other.unfinished,
        input_tokens=one.input_tokens + other.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        cost_usd=one.cost_usd + other.cost_usd,
    )


def _spans(start: datetime, present: datetime) -> Iterator[Span]:
    """The whole day where it is settled; else its settled hours, and the rest of it in one."""
    if start + DAY + SETTLED <= present:
        yield start, start + DAY
        return
    here = start
    while here + HOUR + SETTLED <= present and here < start + DAY:
        yield here, here + HOUR
        here += HOUR
    if here < start + DAY:
        yield here, start + DAY


def _is_open(models: tuple[ModelSum, ...], span: Span, present: datetime) -> bool:
    return present < span[1] + LOST and any(row.unfinished for row in models)


def _in(span: Span, whole: Span) -> bool:
    return whole[0] <= span[0] and span[1] <= whole[1]


def day_sums(request: Request) -> DaySums:
    """Those that the app of this request remembers."""
    state = request.app.state
    if not hasattr(state, "day_sums"):
        state.day_sums = DaySums(house_of(request).client.database)
    known: DaySums = state.day_sums
    return known
