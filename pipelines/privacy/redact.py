"""Take personal and secret data out of what is stored: a mark says what stood there."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import JsonValue

from mirepoix.privacy import Sensitive
from pipelines.privacy import scan
from pipelines.privacy.request import FILE

FEWEST_DIGITS = 9
"""Numbers that are shorter identify nobody."""


def redact_text(text: str, kinds: Iterable[Sensitive] = tuple(Sensitive)) -> str:
    """`text` with a mark such as `[email]` for each finding."""
    pieces, end = [], 0
    for finding in scan(text, kinds):
        pieces += [text[end : finding.start], f"[{finding.kind.value}]"]
        end = finding.end
    return "".join((*pieces, text[end:])) if pieces else text


def redact(value: JsonValue, kinds: Iterable[Sensitive] = tuple(Sensitive)) -> JsonValue:
    """`value` with all its texts, keys and long numbers redacted. A file cannot be looked into: it becomes `[file]`."""
    wanted = frozenset(kinds)
    if isinstance(value, str):
        return "[file]" if FILE.fullmatch(value) else redact_text(value, wanted)
    if isinstance(value, dict):
        return {redact_text(key, wanted): redact(below, wanted) for key, below in value.items()}
    if isinstance(value, list):
        return [redact(below, wanted) for below in value]
    if isinstance(value, int) and not isinstance(value, bool) and len(str(abs(value))) >= FEWEST_DIGITS:
        marked = redact_text(str(value), wanted)
        return value if marked == str(value) else marked
    return value
