"""A trace on an axis of time: a row for each step, a bar for each request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from mirepoix.ledger.tables import now
from mirepoix.views import AttemptView, CallView, StepView, TraceView

WIDTH = 1000
NARROWEST = 3
MOST_STEPS = 300
"""Rows on one page."""
TICKS = 4


@dataclass(frozen=True, slots=True)
class Bar:
    """From `x`, `width` wide, in thousandths of the axis; `outcome` is its colour."""

    x: int
    width: int
    outcome: str
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """A step, how deep it lies, when it was open, and its requests."""

    step: StepView
    depth: int
    open: Bar | None
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Waterfall:
    """`lines` in reading order; `left_out` more steps are not shown. `ticks` are seconds, evenly along the axis."""

    lines: tuple[Line, ...]
    left_out: int
    ticks: tuple[float, ...]


def waterfall(trace: TraceView, begin: datetime, end: datetime | None) -> Waterfall:
    """The steps of `trace` between `begin` and `end` (None: now), the job's own times."""
    axis = _Axis(begin, max([end or now(), *_ends(trace)]))
    depths: dict[str, int] = {}
    for step in trace.steps:
        depths[step.path] = 0 if step.parent is None else depths.get(step.parent, -1) + 1
    spans = _spans(trace, axis.end)
    lines = [
        Line(
            step,
            min(depths[step.path], 8),
            axis.bar(*spans[step.path], step.state, f"{step.path}: {step.state}") if step.path in spans else None,
            tuple(axis.request(attempt, f"{call.provider}/{call.model}") for call, attempt in _attempts(step)),
        )
        for step in trace.steps[:MOST_STEPS]
    ]
    ticks = tuple(axis.length * index / TICKS for index in range(TICKS + 1))
    return Waterfall(tuple(lines), max(0, len(trace.steps) - MOST_STEPS), ticks)


@dataclass(frozen=True, slots=True)
class _Axis:
    begin: datetime
    end: datetime

    @property
    def length(self) -> float:
        return max((self.end - self.begin).total_seconds(), 1e-6)

    def bar(self, start: datetime, stop: datetime, outcome: str, title: str) -> Bar:
        x, to = self._at(start), self._at(stop)
        width = max(to - x, NARROWEST)
        return Bar(min(x, WIDTH - width), width, outcome, title)

    def request(self, attempt: AttemptView, model: str) -> Bar:
        stop = _end_of(attempt) or (self.end if attempt.outcome == "in_flight" else attempt.started_at)
        took = "" if attempt.latency_s is None else f", {attempt.latency_s:.3f} s"
        return self.bar(attempt.started_at, stop, attempt.outcome, f"{model}: {attempt.outcome}{took}")

    def _at(self, moment: datetime) -> int:
        share = (moment - self.begin).total_seconds() / self.length
        return round(min(max(share, 0.0), 1.0) * WIDTH)


def _spans(trace: TraceView, end: datetime) -> dict[str, tuple[datetime, datetime]]:
    """From when to when each step that began was open; one that holds others, from the first of them to the last."""
    spans: dict[str, tuple[datetime, datetime]] = {}
    for step in reversed(trace.steps):  # those below come before what holds them
        own = None if step.started_at is None else (step.started_at, step.finished_at or end)
        below = spans.get(step.path)
        span = _around(own, below)
        if span is None:
            continue
        spans[step.path] = span
        if step.parent is not None:
            around = _around(spans.get(step.parent), span)
            spans[step.parent] = span if around is None else around
    return spans


def _around(
    one: tuple[datetime, datetime] | None, other: tuple[datetime, datetime] | None
) -> tuple[datetime, datetime] | None:
    if one is None or other is None:
        return one or other
    return min(one[0], other[0]), max(one[1], other[1])


def _attempts(step: StepView) -> Iterator[tuple[CallView, AttemptView]]:
    return ((call, attempt) for call in step.calls for attempt in call.attempts)


def _ends(trace: TraceView) -> Iterator[datetime]:
    """What ended after the job did: requests that were given up with it."""
    for step in trace.steps:
        if step.finished_at is not None:
            yield step.finished_at
        yield from (end for _, attempt in _attempts(step) if (end := _end_of(attempt)) is not None)


def _end_of(attempt: AttemptView) -> datetime | None:
    return None if attempt.latency_s is None else attempt.started_at + timedelta(seconds=attempt.latency_s)
