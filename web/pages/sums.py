"""Costs by day and model over weeks, and calls by minute, without reading them all for each look.

What began in a span of time that is over does not change any more once it has an outcome, so sums of spans are
remembered in this process: days, of those not yet settled the hours, of these the minutes. A look reads only the
minutes that are still open. The first one after a start reads the whole days once, in the background.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from threading import Lock, Thread

from sqlalchemy import Connection
from starlette.requests import Request

from db.model_sums import ModelSum, sum_span
from mirepoix.errors import LedgerError
from mirepoix.ledger.engine import Database
from mirepoix.ledger.tables import now
from web.house import house_of

SETTLED = timedelta(minutes=2)
"""An attempt is dated before it is written; a writer waits for its turn for less than this."""
LOST = timedelta(days=1)
"""Attempts without an outcome after so long are taken for lost: their span counts as settled."""
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
FINER = {DAY: HOUR, HOUR: MINUTE}
WARMED_DAYS = 30
FRESH = timedelta(seconds=1)

Sums = tuple[ModelSum, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """From `start`, for `length`: a day, an hour or a minute."""

    start: datetime
    length: timedelta

    @property
    def end(self) -> datetime:
        """Where the next one begins."""
        return self.start + self.length

    def within(self, other: Span) -> bool:
        """Whether it begins in `other`."""
        return other.start <= self.start < other.end

    def parts(self) -> list[Span]:
        """The spans of the next finer kind that make it up; none for a minute."""
        finer = FINER.get(self.length)
        return (
            [] if finer is None else [Span(self.start + finer * index, finer) for index in range(self.length // finer)]
        )


@dataclass(frozen=True, slots=True)
class Day:
    """One day (UTC), and what each model cost on it."""

    date: date
    models: Sums


class SpanSums:
    """Remembers the sums of settled spans, and for a second those of spans that may still change.

    `mixed` are those over that had attempts without an outcome.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[Span, Sums] = {}
        self._fresh: dict[Span, tuple[datetime, Sums]] = {}
        self._mixed: set[Span] = set()
        self._lock = Lock()

    def warm(self) -> None:
        """Read the last days in the background."""
        Thread(target=self._read_ahead, name="warm-sums", daemon=True).start()

    def last_days(self, count: int, present: datetime | None = None) -> list[Day]:
        """The last `count` days up to `present`, today last."""
        moment = present or now()
        today = moment.astimezone(UTC).date()
        dates = [today - timedelta(days=back) for back in reversed(range(count))]
        spans = [Span(datetime.combine(day, time(), UTC), DAY) for day in dates]
        return [Day(span.start.date(), sums) for span in spans for sums in self._look([span], moment)]

    def last_minutes(self, count: int, present: datetime | None = None) -> list[tuple[datetime, Sums]]:
        """The beginnings of the last `count` minutes up to `present`, the last one first begun, with their sums."""
        moment = present or now()
        last = moment.astimezone(UTC).replace(second=0, microsecond=0)
        spans = [Span(last - MINUTE * back, MINUTE) for back in reversed(range(count))]
        return [(span.start, sums) for span, sums in zip(spans, self._look(spans, moment), strict=True)]

    def _read_ahead(self) -> None:
        with suppress(LedgerError):  # whoever looks at it will be told
            self.last_days(WARMED_DAYS)

    def _look(self, spans: Sequence[Span], present: datetime) -> list[Sums]:
        """All of them in one turn: others, such as the reading ahead, take theirs between two looks."""
        known = self._known
        if all(span in known for span in spans):
            return [known[span] for span in spans]
        with self._lock, self._database.read() as connection:
            return [self._sum(connection, span, present) for span in spans]

    def _sum(self, connection: Connection, span: Span, present: datetime) -> Sums:
        known = self._known.get(span)
        if known is not None or span.start > present:
            return known or ()
        over, parts = span.end + SETTLED <= present, span.parts()
        if parts and (not over or span in self._mixed):
            sums = merged(row for part in parts for row in self._sum(connection, part, present))
            if over and all(part in self._known for part in parts):
                self._settle(span, sums)
            return sums
        if not over:
            return self._read_open(connection, span, present)
        sums = sum_span(connection, span.start, span.end)
        if present >= span.end + LOST or not any(row.unfinished for row in sums):
            self._settle(span, sums)
        else:
            self._mixed.add(span)
        return sums

    def _read_open(self, connection: Connection, span: Span, present: datetime) -> Sums:
        """From memory where it was read a moment ago: a page needs the present minutes twice, and many may look."""
        if span not in self._fresh or present - self._fresh[span][0] > FRESH:
            self._fresh = {each: found for each, found in self._fresh.items() if present - found[0] <= FRESH}
            self._fresh[span] = present, sum_span(connection, span.start, span.end)
        return self._fresh[span][1]

    def _settle(self, span: Span, sums: Sums) -> None:
        """Remember `span`; of a day its hours and minutes are remembered no more."""
        self._mixed.discard(span)
        if span.length < DAY:
            self._known[span] = sums
            return
        others = {other: rows for other, rows in self._known.items() if other.length == DAY or not other.within(span)}
        self._known = others | {span: sums}


def merged(rows: Iterable[ModelSum]) -> Sums:
    """One row for each model, the dearest first."""
    sums: dict[tuple[str, str], ModelSum] = {}
    for row in rows:
        before = sums.get((row.provider, row.model))
        sums[row.provider, row.model] = row if before is None else before + row
    return tuple(sorted(sums.values(), key=lambda row: (-row.cost_usd, -row.attempts, row.model)))


def span_sums(request: Request) -> SpanSums:
    """Those that the app of this request remembers."""
    state = request.app.state
    if not hasattr(state, "span_sums"):
        state.span_sums = SpanSums(house_of(request).client.database)
        state.span_sums.warm()
    known: SpanSums = state.span_sums
    return known
