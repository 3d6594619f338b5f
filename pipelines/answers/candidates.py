"""Where in an answer its JSON may stand: alone, in a fence, or in the middle of prose."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

from pipelines.answers.json_text import NotJson, parse_json_at

BYTE_ORDER_MARK = "\ufeff"
MOST_FENCES = 20
MOST_EMBEDDED = 50
FENCE = re.compile(r"^[ \t]*(```+|~~~+)[ \t]*([\w+-]{0,20})[ \t]*$", re.MULTILINE)
OPENING = re.compile(r"[{\[]")
MARK = re.compile(r'["{}\[\]]')
STRING_END = re.compile(r'(?<!\\)(?:\\\\)*"')


def fenced(text: str) -> list[str]:
    """What stands in Markdown fences, the last first: a model thinks before it answers."""
    found: list[str] = []
    opened: re.Match[str] | None = None
    for mark in FENCE.finditer(text):
        if opened is None:
            opened = mark
        elif mark[1].startswith(opened[1]) and not mark[2]:
            found.append(text[opened.end() : mark.start()].strip())
            opened = None
    return found[-MOST_FENCES:][::-1]


def embedded(text: str) -> list[object]:
    """The JSON objects and lists in prose, the last first.

    What stands inside an object or list that is broken is not looked at: half an answer's inner part is no answer.
    """
    return list(deque(_embedded(text), MOST_EMBEDDED))[::-1]


def _embedded(text: str) -> Iterator[object]:
    position = 0
    while opening := OPENING.search(text, position):
        try:
            value, position = parse_json_at(text, opening.start())
        except NotJson:
            closed = _end_of_brackets(text, opening.start())
            if closed is None:
                return
            position = closed
        else:
            yield value


def _end_of_brackets(text: str, start: int) -> int | None:
    """Where the bracket at `start` is closed, strings passed over; None when it is not."""
    depth, position = 0, start
    while mark := MARK.search(text, position):
        position = mark.end()
        if mark[0] == '"':
            end = STRING_END.search(text, position)
            if end is None:
                return None
            position = end.end()
        elif mark[0] in "{[":
            depth += 1
        else:
            depth -= 1
            if depth == 0:
                return position
    return None
