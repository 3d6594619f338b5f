"""The one token rule of the emulator, used for prompts, answers and limits alike.

A token is four bytes of UTF-8, rounded up; each message of a prompt costs four tokens more (its role and separators),
and each file that is not text costs 258 (what Gemini takes for an image or a page of a document). It is no provider's
tokenizer: it is cheap, the same for every model, and easy to predict in a test.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

BYTES_PER_TOKEN = 4
TOKENS_PER_MESSAGE = 4
TOKENS_PER_FILE = 258


class Ending(StrEnum):
    """Why an answer ends where it ends."""

    DONE = "done"
    LENGTH = "length"
    STOP_SEQUENCE = "stop_sequence"
    REFUSED = "refused"
    """The model declined; what it says is its refusal."""
    FILTERED = "filtered"
    """A filter for what may be harmful took the answer away."""


@dataclass(frozen=True, slots=True)
class Ended:
    """An answer cut where it ends; `stop_sequence` is the one that ended it, which is not part of `text`."""

    text: str
    ending: Ending
    stop_sequence: str | None = None


def count_tokens(text: str) -> int:
    """ceil(UTF-8 bytes of `text` / 4)."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def pieces(text: str) -> list[str]:
    """`text` cut into its tokens, as many as `count_tokens` says; a character never goes through two of them."""
    if text.isascii():
        return [text[start : start + BYTES_PER_TOKEN] for start in range(0, len(text), BYTES_PER_TOKEN)]
    raw = text.encode()
    cuts = [_before_character(raw, place) for place in range(0, len(raw), BYTES_PER_TOKEN)]
    return [raw[start:stop].decode() for start, stop in pairwise([*cuts, len(raw)])]


def count_prompt_tokens(messages: Iterable[str], files: int = 0) -> int:
    """The tokens of a prompt of these message texts, a system prompt among them, and so many files."""
    return sum(count_tokens(text) + TOKENS_PER_MESSAGE for text in messages) + files * TOKENS_PER_FILE


def end(text: str, *, max_tokens: int | None, stop_sequences: Sequence[str] = ()) -> Ended:
    """Cut `text` at the first of `stop_sequences`, then, between characters, at `max_tokens` if given."""
    ended = _end_at_stop_sequence(text, stop_sequences)
    if max_tokens is None or count_tokens(ended.text) <= max_tokens:
        return ended
    kept = ended.text.encode()[: max_tokens * BYTES_PER_TOKEN]
    return Ended(kept.decode(errors="ignore"), Ending.LENGTH)


def _before_character(raw: bytes, place: int) -> int:
    """The start of the UTF-8 character that holds the byte at `place`."""
    while raw[place] & 0xC0 == 0x80:  # a continuation byte (RFC 3629)
        place -= 1
    return place


def _end_at_stop_sequence(text: str, stop_sequences: Sequence[str]) -> Ended:
    found = [(place, stop) for stop in stop_sequences if stop and (place := text.find(stop)) >= 0]
    if not found:
        return Ended(text, Ending.DONE)
    place, stop = min(found)
    return Ended(text[:place], Ending.STOP_SEQUENCE, stop)
