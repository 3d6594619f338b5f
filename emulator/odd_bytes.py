"""What no JSON encoder would write: bytes that are no UTF-8, members nested too deep, texts without an end."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

from emulator.faults import Fault, FaultKind
from emulator.odd_replies import DEPTH, HUGE, MARK

NOT_UTF8 = b"\xff\xfe\xc3("
FILLER = "and so on "
BLOCK = FILLER * 6553
_MARK = MARK.encode()
_DEEP = b',"deep":' + b"[" * DEPTH + b"]" * DEPTH


def spoil(kind: FaultKind, raw: bytes) -> bytes:
    """The JSON object `raw`, as a fault of this kind leaves it; `MARK` stands where its text is spoilt."""
    if kind is FaultKind.INVALID_UTF8:
        return raw.replace(_MARK, NOT_UTF8)
    if kind is FaultKind.DEEP_BODY:
        end = raw.rindex(b"}")
        return raw[:end] + _DEEP + raw[end:]
    return raw


def long_text(fault: Fault) -> Iterator[str]:
    """The text of `huge_body` in blocks, or that of `endless_stream` without end; neither is ever held as a whole."""
    if fault.kind is FaultKind.ENDLESS_STREAM:
        yield from repeat(FILLER)
    blocks, rest = divmod(length_of_text(fault), len(BLOCK))
    yield from repeat(BLOCK, blocks)
    yield BLOCK[:rest]


def length_of_text(fault: Fault) -> int:
    """The bytes that `huge_body` has."""
    return HUGE if fault.size is None else fault.size


def around_mark(raw: bytes) -> tuple[bytes, bytes]:
    """What stands before and after the text that is made while it is sent."""
    before, _, after = raw.partition(_MARK)
    return before, after
