"""Cut a long document into pieces of a bounded number of tokens, where a reader would cut it.

Linear in the length of the text, whatever is in it: a kept splitter that was tried took 83 s for 2 MB without a space.
"""

from __future__ import annotations

import re

from mirepoix.tokens import BYTES_A_TOKEN

CUTS = tuple(re.compile(pattern) for pattern in (r"\n\s*\n", r"\n", r"[.!?][\"')\]]*\s", r"\s"))
"""Where to cut, best first: between paragraphs, lines, sentences, words. Else anywhere."""
NEAR_THE_END = 0.5
"""A better cut is taken only in this last share of a piece, so that pieces do not become small."""


def split_text(text: str, tokens: int, overlap: int) -> list[str]:
    """Pieces of at most `tokens` tokens (estimated), each beginning with about the last `overlap` tokens before it.

    Nothing but white space at the edges of pieces is left out.
    """
    pieces, start = list[str](), 0
    while start < len(text):
        end = _reach(text, start, tokens * BYTES_A_TOKEN)
        if end < len(text):
            end = _best_cut(text, start, end)
        if piece := text[start:end].strip():
            pieces.append(piece)
        if end == len(text):
            break
        start = _step_back(text, start, end, overlap * BYTES_A_TOKEN)
    return pieces


def _reach(text: str, start: int, size: int) -> int:
    """The furthest end of a piece of at most `size` bytes that begins at `start`."""
    kept = text[start : start + size].encode("utf-8", "replace")[:size].decode("utf-8", "ignore")
    return start + max(1, len(kept))


def _best_cut(text: str, start: int, end: int) -> int:
    earliest = start + int((end - start) * NEAR_THE_END)
    for cut in CUTS:
        found = [match.end() for match in cut.finditer(text, earliest, end)]
        if found:
            return found[-1]
    return end


def _step_back(text: str, start: int, end: int, size: int) -> int:
    """Where the next piece begins: `size` bytes before `end` at most, at the beginning of a word where there is one."""
    kept = text[start:end].encode("utf-8", "replace")[-size:].decode("utf-8", "ignore") if size else ""
    begin = max(end - len(kept), start + 1)
    word = re.compile(r"\s\S").search(text, begin, end)
    return word.end() - 1 if word else begin
