"""Answers that are not what they should be, with status 200 or with none."""

from __future__ import annotations

import json

from starlette.responses import HTMLResponse, JSONResponse, Response

from emulator.faults import FaultKind
from emulator.resets import Reset
from emulator.wire import Json, Wire

PAGE = "<!DOCTYPE html>\n<html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>\n"


def break_answer(kind: FaultKind, answer: Json, wire: Wire, headers: dict[str, str]) -> Response:
    """What leaves instead of `answer` where a fault of this kind struck."""
    match kind:
        case FaultKind.HTML_200:
            return HTMLResponse(PAGE)
        case FaultKind.MALFORMED:
            return Response(_text(answer)[: _half(answer)], headers=headers, media_type="application/json")
        case FaultKind.EMPTY_CHOICES:
            return JSONResponse({**answer, wire.content_key: []}, headers=headers)
        case FaultKind.NO_USAGE:
            rest = {key: value for key, value in answer.items() if key != "usage"}
            return JSONResponse(rest, headers=headers)
        case FaultKind.DROP_MID_BODY:
            return Reset(_text(answer), sent=_half(answer), headers=headers)
        case FaultKind.DROP | FaultKind.HANG | FaultKind.BILLED_THEN_DROP:
            return Reset()
    return JSONResponse(answer, headers=headers)


def _text(answer: Json) -> str:
    return json.dumps(answer)  # ASCII, so that a character is a byte


def _half(answer: Json) -> int:
    return len(_text(answer)) // 2
