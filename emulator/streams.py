"""How a streamed answer flows, token by token, and what may go wrong on its way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from emulator.broken import BAD_GATEWAY, change_members
from emulator.faults import Fault, FaultKind
from emulator.flow import Course
from emulator.latency import Latency
from emulator.odd_bytes import long_text, spoil
from emulator.sse import SSE
from emulator.tokens import pieces
from emulator.wire import Ask, Event, Framing, Reply, Streamed, Wire

OVERLOADED = 529


@dataclass(frozen=True, slots=True)
class Pace:
    """When the tokens of an answer are due: `latency` times `scale`, and all of it `late` seconds later.

    From token `stalls_at` on, it is `stall` seconds later still.
    """

    latency: Latency
    scale: float
    late: float = 0.0
    stalls_at: int | None = None
    stall: float = 0.0

    def due(self, index: int) -> float:
        """The second in which the token of this index leaves; the one after the last is the end."""
        stalled = self.stall if self.stalls_at is not None and index >= self.stalls_at else 0.0
        return (self.latency.first + index * self.latency.per_token) * self.scale + self.late + stalled


@dataclass(frozen=True, slots=True)
class _Plan:
    streamed: Streamed
    texts: Iterable[str]
    pace: Pace
    breaks_off: bool = False


def course_of_stream(wire: Wire, ask: Ask, reply: Reply, pace: Pace, fault: Fault | None) -> Course:
    """The events of `reply` as bytes, each at its time; `fault` is what goes wrong, if anything."""
    plan = _Plan(wire.stream(ask, reply), pieces(reply.ended.text), pace)
    framing = plan.streamed.framing or SSE
    if fault is None:
        return _course(plan, framing)
    plan = _break_off(_change(plan, wire, ask, reply, fault), wire, fault)
    if fault.kind is FaultKind.INVALID_UTF8:
        return _course(plan, replace(framing, encode=lambda event: spoil(fault.kind, framing.encode(event))))
    return _course(plan, framing)


def _course(plan: _Plan, framing: Framing) -> Course:
    return Course(
        _parts(plan, framing.encode),
        lambda: b"".join(map(framing.encode, plan.streamed.closing)) + framing.tail,
        breaks_off=plan.breaks_off,
        media_type=framing.media_type,
    )


def _parts(plan: _Plan, to_bytes: Callable[[Event], bytes]) -> Iterator[tuple[float, bytes]]:
    index, streamed, pace = 0, plan.streamed, plan.pace
    yield pace.due(0), b"".join(to_bytes(event) for event in streamed.opening)
    for index, text in enumerate(plan.texts, start=1):
        yield pace.due(index - 1), b"" if (event := streamed.piece(text, index - 1)) is None else to_bytes(event)
    yield pace.due(index), b""


def _change(plan: _Plan, wire: Wire, ask: Ask, reply: Reply, fault: Fault) -> _Plan:
    """The plan with other events or other texts."""
    match fault.kind:
        case FaultKind.HUGE_BODY | FaultKind.ENDLESS_STREAM:
            return replace(plan, texts=long_text(fault))
        case FaultKind.ERROR_IN_200:
            error = wire.error_event(wire.failure(BAD_GATEWAY, ask.model), wire.request_id())
            return replace(plan, texts=(), streamed=replace(plan.streamed, opening=(), closing=(error,)))
        case FaultKind.NO_USAGE:
            silent = wire.stream(replace(ask, tells_usage=False), reply)
            return replace(plan, streamed=_edit(silent, fault.kind, wire))
        case FaultKind.WRONG_USAGE:
            return replace(plan, streamed=_edit(plan.streamed, fault.kind, wire))
        case FaultKind.EMPTY_CHOICES:
            return replace(plan, texts=(), streamed=_edit(plan.streamed, fault.kind, wire))
        case FaultKind.DEEP_BODY:
            first, *rest = plan.streamed.closing
            deep = replace(first, data=spoil(fault.kind, json.dumps(first.data).encode()).decode())
            return _closing(plan, deep, *rest)
    return plan


def _edit(streamed: Streamed, kind: FaultKind, wire: Wire) -> Streamed:
    def edit(event: Event) -> Event:
        return replace(event, data=change_members(kind, event.data, wire))

    def piece(text: str, index: int) -> Event | None:
        event = streamed.piece(text, index)
        return None if event is None else edit(event)

    def keep(events: Iterable[Event]) -> tuple[Event, ...]:
        hollow = kind is FaultKind.EMPTY_CHOICES
        return tuple(edit(event) for event in events if not (hollow and event.is_of_content))

    return replace(streamed, opening=keep(streamed.opening), piece=piece, closing=keep(streamed.closing))


def _break_off(plan: _Plan, wire: Wire, fault: Fault) -> _Plan:
    """The plan until its fault comes."""
    if not isinstance(plan.texts, list):
        return plan
    count = len(plan.texts) // 2 if fault.after_chunks is None else fault.after_chunks
    until = replace(plan, texts=plan.texts[:count])
    match fault.kind:
        case FaultKind.STREAM_CUT:
            return _closing(until)
        case FaultKind.STREAM_DROP | FaultKind.DROP_MID_BODY:
            return replace(_closing(until), breaks_off=True)
        case FaultKind.STREAM_STALL:
            return replace(plan, pace=replace(plan.pace, stalls_at=count, stall=fault.seconds or 0))
        case FaultKind.STREAM_ERROR_EVENT:
            return _closing(until, wire.error_event(wire.failure(OVERLOADED, ""), wire.request_id()))
        case FaultKind.MALFORMED:
            first, *_ = plan.streamed.closing
            text = json.dumps(first.data)
            return _closing(until, replace(first, data=text[: len(text) // 2]))
    return plan


def _closing(plan: _Plan, *events: Event) -> _Plan:
    return replace(plan, streamed=replace(plan.streamed, closing=events))
