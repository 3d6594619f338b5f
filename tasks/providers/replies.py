"""What the replies of all providers have in common."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict

from pydantic import JsonValue

from tasks.providers.base import OnText, ToolCall

DEEPEST = 100
"""Levels of nested JSON that a tool's arguments may have; the ledger writes them down."""


def answer_of(text: str, calls: tuple[ToolCall, ...]) -> JsonValue:
    """The answer as it is recorded: the text, and the tools that the model asks for where it does."""
    return {"text": text, "tool_calls": [asdict(call) for call in calls]} if calls else text


def parse_arguments(given: str | dict[str, JsonValue] | None) -> JsonValue:
    """A tool's arguments as an object; a text that is none stays a text, for the caller to see."""
    if given is None or given == "":
        return {}
    try:
        value = json.loads(given) if isinstance(given, str) else given
    except (ValueError, RecursionError):
        return given
    if isinstance(value, dict) and _fits(value, DEEPEST):
        return value
    return given if isinstance(given, str) else json.dumps(given)[:1000]


def model_name(given: object) -> str | None:
    """Who says that it answered; what is no name is no reason to refuse the answer."""
    return given[:200] if isinstance(given, str) and given.isprintable() else None


def hand_over(answer: JsonValue, on_text: OnText | None) -> None:
    """Give an answer that came in one piece to whoever wanted it in pieces."""
    text = answer.get("text") if isinstance(answer, dict) else answer
    if on_text is not None and isinstance(text, str) and text:
        on_text(text)


def mean(numbers: Iterable[float]) -> float | None:
    """None of none; minus infinity, which some servers send for what is impossible, is no number to go on with."""
    given = [number for number in numbers if math.isfinite(number)]
    return sum(given) / len(given) if given else None


def _fits(value: JsonValue, levels: int) -> bool:
    if isinstance(value, (dict, list)):
        below = value.values() if isinstance(value, dict) else value
        return levels > 0 and all(_fits(part, levels - 1) for part in below)
    return True
