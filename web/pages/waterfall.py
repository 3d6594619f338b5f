"""A trace on an axis of time: a row for each step, a bar for each request and for what it waited for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from mirepoix.ledger.tables import now
from mirepoix.states import EventKind
from mirepoix.views import AttemptView, CallView, StepView, TraceView

Span = tuple[datetime, datetime]
"""From when to when."""

WIDTH = 1000
NARROWEST = 3
MOST_STEPS = 300
"""Rows on one page."""
TICKS = 4
SHORTEST_WAIT, LONG_WAIT = 0.005, 0.5
"""Seconds: what is drawn, and what is told in words."""
LEGEND = {
    "queue": "in the queue",
    "limit": "waiting for a limit",
    "answered": "answered",
    "failed": "failed",
    "cached": "from the cache",
    "event": "event",
}
"""Kinds of bars, and what they are."""
HELD_UP_BY = {
    "paused": "its provider's pause",
    "breaker": "the breaker",
    "concurrency": "the limit on calls at once",
    "rpm": "the limit on requests a minute",
    "tpm": "the limit on tokens a minute",
}
"""The reasons of `tasks.limits`."""
TOLD = {
    EventKind.DRIVEN: "sent again",
    EventKind.TAKEN_BACK: "taken back from a dead process",
    EventKind.MOVED: "moved to another model",
    EventKind.POSTPONED: "postponed",
    EventKind.HANDED_BACK: "handed back",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """From `x`, `width` wide, in thousandths of the axis.

    `kind` is how it is drawn: the outcome of a request, or `queue`, `limit` or `event`.
    """

    x: int
    width: int
    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """A step, how deep it lies, when it was open and for how many seconds, its requests and what it waited for.

    `notes` say in words what was out of the common.
    """

    step: StepView
    depth: int
    open: Bar | None
    took: float | None
    bars: tuple[Bar, ...]
    notes: tuple[str, ...]


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
        _line(axis, trace, step, min(depths[step.path], 8), spans.get(step.path)) for step in trace.steps[:MOST_STEPS]
    ]
    ticks = tuple(axis.length * index / TICKS for index in range(TICKS + 1))
    return Waterfall(tuple(lines), max(0, len(trace.steps) - MOST_STEPS), ticks)


def _line(axis: _Axis, trace: TraceView, step: StepView, depth: int, span: Span | None) -> Line:
    return Line(
        step,
        depth,
        None if span is None else axis.bar(*span, step.state, f"{step.path}: {step.state}"),
        None if span is None else (span[1] - span[0]).total_seconds(),
        (*axis.start(trace), *axis.bars(step)) if step.parent is None else tuple(axis.bars(step)),
        tuple(notes(step)),
    )


@dataclass(frozen=True, slots=True)
class _Axis:
    begin: datetime
    end: datetime

    @property
    def length(self) -> float:
        return max((self.end - self.begin).total_seconds(), 1e-6)

    def bar(self, start: datetime, stop: datetime, kind: str, title: str) -> Bar:
        x, to = self._at(start), self._at(stop)
        width = max(to - x, NARROWEST)
        return Bar(min(x, WIDTH - width), width, kind, title)

    def start(self, trace: TraceView) -> Iterator[Bar]:
        """How long the job waited until somebody began with it."""
        if trace.queued_s >= SHORTEST_WAIT:
            until = self.begin + timedelta(seconds=trace.queued_s)
            yield self.bar(self.begin, until, "queue", f"waiting to be started: {trace.queued_s:.3f} s")

    def bars(self, step: StepView) -> Iterator[Bar]:
        """What the step waited for, its requests, and what happened to it, as it is to be drawn."""
        if step.started_at is not None and step.queued_s >= SHORTEST_WAIT:
            since = step.started_at - timedelta(seconds=step.queued_s)
            yield self.bar(since, step.started_at, "queue", f"in the queue: {step.queued_s:.3f} s")
        for call, attempt in _attempts(step):
            if attempt.limit_wait_s is not None and attempt.limit_wait_s >= SHORTEST_WAIT:
                why = f"waited for a limit ({attempt.limit_reason}): {attempt.limit_wait_s:.3f} s"
                yield self.bar(attempt.started_at, _sent_at(attempt), "limit", why)
            yield self._request(attempt, f"{call.provider}/{call.model}")
        for event in step.events:
            yield self.bar(event.at, event.at, "event", f"{event.kind}: {event.detail}")

    def _request(self, attempt: AttemptView, model: str) -> Bar:
        sent = _sent_at(attempt)
        stop = _end_of(attempt) or (self.end if attempt.outcome == "in_flight" else sent)
        took = "" if attempt.latency_s is None else f", {attempt.latency_s:.3f} s"
        return self.bar(sent, stop, attempt.outcome, f"{model}: {attempt.outcome}{took}")

    def _at(self, moment: datetime) -> int:
        share = (moment - self.begin).total_seconds() / self.length
        return round(min(max(share, 0.0), 1.0) * WIDTH)


def notes(step: StepView) -> Iterator[str]:
    """What was out of the common with the step, in words: long waits, further requests, cached answers, events."""
    attempts = [attempt for _, attempt in _attempts(step)]
    held_up = [attempt for attempt in attempts if (attempt.limit_wait_s or 0) >= SHORTEST_WAIT]
    if step.queued_s >= LONG_WAIT:
        yield f"{step.queued_s:.1f} s in the queue"
    if held_up:
        reasons = dict.fromkeys(HELD_UP_BY.get(attempt.limit_reason or "", "a limit") for attempt in held_up)
        yield f"{sum(attempt.limit_wait_s or 0 for attempt in held_up):.1f} s held up by {' and '.join(reasons)}"
    for why, count in Counter(attempt.because for attempt in attempts if attempt.because != "first").items():
        yield why if count == 1 else f"{count} x {why}"
    if any(attempt.cached for attempt in attempts):
        yield "from the cache"
    for kind, count in Counter(event.kind for event in step.events).items():
        yield TOLD[kind] if count == 1 else f"{count} x {TOLD[kind]}"


def _spans(trace: TraceView, end: datetime) -> dict[str, Span]:
    """From when to when each step that began was open; one that holds others, from the first of them to the last."""
    spans: dict[str, Span] = {}
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


def _around(one: Span | None, other: Span | None) -> Span | None:
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


def _sent_at(attempt: AttemptView) -> datetime:
    """It is written down before it waits for leave to be sent."""
    return attempt.started_at + timedelta(seconds=attempt.limit_wait_s or 0)


def _end_of(attempt: AttemptView) -> datetime | None:
    return None if attempt.latency_s is None else _sent_at(attempt) + timedelta(seconds=attempt.latency_s)
