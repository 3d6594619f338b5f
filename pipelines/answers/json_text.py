"""Strict JSON: what `json` lets through beyond the standard, and what would exhaust who reads it, is refused."""

from __future__ import annotations

import json
import math
from typing import Any

MAX_CHARACTERS = 4_000_000
MAX_DEPTH = 100


class NotJson(ValueError):
    """The text is not JSON; says where and why, without quoting it."""


def parse_json(text: str) -> Any:
    """The value of a text that is JSON and nothing else. Raises NotJson."""
    value, end = parse_json_at(text, len(text) - len(text.lstrip()))
    if text[end:].strip():
        raise NotJson(f"there is more text after the JSON value, at character {end}")
    return value


def parse_json_at(text: str, start: int) -> tuple[Any, int]:
    """The JSON value that begins at `start`, and where it ends. Raises NotJson."""
    if len(text) > MAX_CHARACTERS:
        raise NotJson(f"it is longer than {MAX_CHARACTERS:,} characters")
    try:
        value, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise NotJson(f"{error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise NotJson("it is nested too deeply") from error
    except NotJson:
        raise
    except ValueError as error:  # an integer of more than 4,300 digits
        raise NotJson("a number has too many digits") from error
    require_shallow(value)
    return value, end


def require_shallow(value: Any) -> None:
    """Raise NotJson for a value nested more than 100 levels deep."""
    waiting, depth = [value], 0
    while waiting:
        depth += 1
        if depth > MAX_DEPTH:
            raise NotJson(f"it is nested more than {MAX_DEPTH} levels deep")
        waiting = [
            part
            for here in waiting
            if isinstance(here, (dict, list))
            for part in (here.values() if isinstance(here, dict) else here)
            if isinstance(part, (dict, list))
        ]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NotJson("an object says a key twice")
    return found


def _number(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise NotJson("a number is too large")
    return number


def _no_constant(name: str) -> float:
    raise NotJson(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_number, parse_constant=_no_constant)
