"""A trace on an axis of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from mirepoix.states import EventKind, JobState, StepState
from mirepoix.views import AttemptView, CallView, Event, StepView, TraceView
from web.pages.waterfall import MOST_STEPS, NARROWEST, WIDTH, waterfall

BEGIN = datetime(2026, 5, 20, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """So long after the job began."""
    return BEGIN + timedelta(seconds=seconds)


def step(path: str, parent: str | None, start: float | None, end: float | None, *attempts: AttemptView) -> StepView:
    """One that was open from `start` to `end`."""
    return StepView(
        path=path,
        parent=parent,
        kind="call",
        state=StepState.SUCCEEDED,
        decision=None,
        decisions=(),
        calls=(CallView(provider="p", model="m", attempts=attempts),) if attempts else (),
        error_kind=None,
        error=None,
        started_at=None if start is None else at(start),
        finished_at=None if end is None else at(end),
    )


def attempt(start: float, latency: float | None, outcome: str = "answered") -> AttemptView:
    """A request."""
    return AttemptView(
        outcome=outcome,
        status=200,
        input_tokens=1,
        output_tokens=1,
        cost_usd=Decimal(0),
        latency_s=latency,
        error=None,
        error_kind=None,
        finish_reason=None,
        request_id=None,
        prompt_hash="0" * 64,
        answer_hash=None,
        started_at=at(start),
    )


def trace(*steps: StepView) -> TraceView:
    """Of a job with these steps."""
    return TraceView(
        job="j",
        pipeline="p",
        version="v",
        state=JobState.SUCCEEDED,
        tenant="t",
        input="i",
        cost_usd=Decimal(0),
        latency_s=10,
        spec={},
        steps=steps,
    )


def test_bars_stand_where_things_happened() -> None:
    drawn = waterfall(
        trace(step("$", None, None, 10), step("a", "$", 1, 4, attempt(2, 1)), step("b", "$", 5, 9, attempt(9, 0.0001))),
        BEGIN,
        at(10),
    )
    whole, first, second = drawn.lines
    assert whole.open is not None
    assert (whole.open.x, whole.open.width) == (100, 800), "from its first part to its last"
    assert first.open is not None
    assert (first.open.x, first.open.width) == (100, 300)
    assert [(bar.x, bar.width) for bar in first.bars] == [(200, 100)]
    assert second.bars[0].width == NARROWEST, "too short to be seen otherwise"
    assert [line.depth for line in drawn.lines] == [0, 1, 1]
    assert drawn.ticks == (0, 2.5, 5, 7.5, 10)


def test_nothing_stands_outside() -> None:
    """A request that outlives its job widens the axis; a clock that is behind does not."""
    late = step("a", None, -1, 12, attempt(-1, 0.5), attempt(9.9999, 10), attempt(3, None, "in_flight"))
    drawn = waterfall(trace(late), BEGIN, at(10))
    assert drawn.ticks[-1] == 19.9999
    for bar in (*drawn.lines[0].bars, *filter(None, [drawn.lines[0].open])):
        assert 0 <= bar.x <= bar.x + bar.width <= WIDTH


def test_a_page_has_so_many_rows_at_the_most() -> None:
    many = [step(f"s{number}", None, 0, 1) for number in range(MOST_STEPS + 5)]
    drawn = waterfall(trace(*many), BEGIN, at(1))
    assert (len(drawn.lines), drawn.left_out) == (MOST_STEPS, 5)


def test_what_it_waited_for_stands_before_what_it_did() -> None:
    asked = attempt(4, 2).model_copy(update={"limit_wait_s": 3.0, "limit_reason": "rpm"})
    waited = step("a", None, 3, 10, asked).model_copy(update={"queued_s": 2.0})
    (line,) = waterfall(trace(waited), BEGIN, at(10)).lines
    assert [(bar.kind, bar.x, bar.width) for bar in line.bars] == [
        ("queue", 100, 200),
        ("limit", 400, 300),
        ("answered", 700, 200),
    ]
    assert line.notes == ("2.0 s in the queue", "3.0 s held up by the limit on requests a minute")


def test_further_requests_cached_answers_and_events_are_told_in_words() -> None:
    attempts = [attempt(1, 1).model_copy(update={"because": why}) for why in ("first", "retry", "retry", "re-ask")]
    attempts.append(attempt(5, 0, "cached").model_copy(update={"cached": True, "because": "fallback"}))
    events = tuple(Event(kind=EventKind.DRIVEN, detail="", at=at(2)) for _ in range(2))
    busy = step("a", None, 1, 9, *attempts).model_copy(update={"events": events})
    (line,) = waterfall(trace(busy), BEGIN, at(10)).lines
    assert line.notes == ("2 x retry", "re-ask", "fallback", "from the cache", "2 x sent again")
    assert [bar.x for bar in line.bars if bar.kind == "event"] == [200, 200]


def test_a_job_that_waited_to_be_started_shows_it_on_its_first_row() -> None:
    waited = trace(step("$", None, 4, 10), step("a", "$", 4, 10)).model_copy(update={"queued_s": 4.0})
    first, second = waterfall(waited, BEGIN, at(10)).lines
    assert [(bar.kind, bar.x, bar.width) for bar in first.bars] == [("queue", 0, 400)]
    assert second.bars == ()
