"""Answers that are not what they should be, with status 200 or with none."""

from __future__ import annotations

import json
from itertools import chain

from starlette.responses import HTMLResponse, JSONResponse, Response

from emulator.faults import Fault, FaultKind
from emulator.flow import Course
from emulator.odd_bytes import around_mark, length_of_text, long_text, spoil
from emulator.resets import Reset
from emulator.wire import Json, Wire

PAGE = "<!DOCTYPE html>\n<html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>\n"
BAD_GATEWAY = 502


def break_answer(fault: Fault, answer: Json, wire: Wire, headers: dict[str, str]) -> Response:
    """What leaves instead of `answer` where this fault struck."""
    match fault.kind:
        case FaultKind.HTML_200:
            return HTMLResponse(PAGE)
        case FaultKind.DROP | FaultKind.HANG | FaultKind.BILLED_THEN_DROP:
            return Reset()
        case FaultKind.DROP_MID_BODY:
            return Reset(_text(answer), sent=_half(answer), headers=headers)
        case FaultKind.MALFORMED:
            return Response(_text(answer)[: _half(answer)], headers=headers, media_type="application/json")
        case FaultKind.ERROR_IN_200:
            return JSONResponse(wire.write_error(wire.failure(BAD_GATEWAY, ""), wire.request_id()), headers=headers)
        case FaultKind.EMPTY_CHOICES | FaultKind.NO_USAGE | FaultKind.WRONG_USAGE:
            return JSONResponse(change_members(fault.kind, answer, wire), headers=headers)
        case FaultKind.INVALID_UTF8 | FaultKind.DEEP_BODY:
            raw = spoil(fault.kind, json.dumps(answer, ensure_ascii=False).encode())
            return Response(raw, headers=headers, media_type="application/json")
    return JSONResponse(answer, headers=headers)


def change_members(kind: FaultKind, data: Json, wire: Wire) -> Json:
    """An answer or the data of an event whose choices or usage are not what they should be, wherever they stand."""
    if not isinstance(data, dict):
        return data
    changed: dict[str, Json] = {}
    for key, value in data.items():
        if key == wire.usage_key and isinstance(value, dict):
            if kind is not FaultKind.NO_USAGE:
                changed[key] = _miscount(value) if kind is FaultKind.WRONG_USAGE else value
        elif key == wire.content_key and kind is FaultKind.EMPTY_CHOICES:
            changed[key] = []
        else:
            changed[key] = change_members(kind, value, wire)
    return changed


def course_of_body(fault: Fault, answer: Json) -> Course:
    """An answer whose text is made while it is sent."""
    before, after = around_mark(json.dumps(answer, ensure_ascii=False).encode())
    texts = (text.encode() for text in long_text(fault))
    length = None
    if fault.kind is FaultKind.HUGE_BODY:
        length = len(before) + length_of_text(fault) + len(after)
    return Course(((0.0, part) for part in chain([before], texts)), last=lambda: after, length=length)


def _miscount(usage: dict[str, Json]) -> dict[str, Json]:
    """The first number becomes a word, the others negative."""
    numbers = [key for key, value in usage.items() if isinstance(value, int)]
    return {**usage, **{key: -1 - usage[key] for key in numbers[1:]}, **dict.fromkeys(numbers[:1], "many")}


def _text(answer: Json) -> str:
    return json.dumps(answer)  # ASCII, so that a character is a byte


def _half(answer: Json) -> int:
    return len(_text(answer)) // 2
