"""The lines that were found on a page as text: columns in order, paragraphs a line each, broken words mended.

Columns are found as in the recursive X-Y cut (Nagy and Seth, 1984), which splits a page at its white stripes. A page is
straightened first, since a scan that is tilted by half a degree has none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

COLUMN_LINES = 3
"""A column has at least so many lines; two words side by side are none."""
COLUMN_WIDTH = 8.0
"""In line heights: narrower ones are columns of a table, which is read row by row."""
GUTTER = 0.8
"""In line heights, the white between two columns."""
NEW_PARAGRAPH = 1.3
"""Times the usual distance of lines."""
INDENT = 0.8
"""In line heights."""
SHORT = 0.8
"""A line that ends before so much of its column's width ends a paragraph, or is a line of verse."""
MOST_TILTED = math.radians(10)
_BROKEN_WORD = re.compile(r"(?<=[^\W\d_])-$")


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of a line: its text and where it stands, in pixels from the page's upper left corner."""

    text: str
    left: float
    top: float
    right: float
    bottom: float
    tilt: float = 0.0
    """In radians, positive where the line falls to the right."""

    @property
    def height(self) -> float:
        """Of its letters with what stands out of them."""
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        """Halfway down."""
        return (self.top + self.bottom) / 2


def read_in_order(fragments: Sequence[Fragment]) -> str:
    """The text of a page: a paragraph a line, in the order in which one reads."""
    if not fragments:
        return ""
    paragraphs = [text for column in _columns(_straighten(fragments)) for text in _paragraphs(_rows(column))]
    return "\n".join(paragraphs)


def _straighten(fragments: Sequence[Fragment]) -> list[Fragment]:
    """Turn all around the page's corner until the long lines are level."""
    wide = sorted(fragments, key=lambda fragment: fragment.left - fragment.right)[: max(5, len(fragments) // 2)]
    tilt = median(fragment.tilt for fragment in wide)
    if abs(tilt) > MOST_TILTED:
        return list(fragments)
    sine, cosine = math.sin(tilt), math.cos(tilt)
    straight = []
    for fragment in fragments:
        x, y = (fragment.left + fragment.right) / 2, fragment.middle
        across, down = x * cosine + y * sine, y * cosine - x * sine
        half_width, half_height = (fragment.right - fragment.left) / 2, fragment.height / 2
        straight.append(
            replace(
                fragment,
                left=across - half_width,
                right=across + half_width,
                top=down - half_height,
                bottom=down + half_height,
            )
        )
    return straight


def _columns(fragments: list[Fragment]) -> list[list[Fragment]]:
    """Blocks that are read one after the other, each a single column."""
    unit = median(fragment.height for fragment in fragments)
    sides = _gutter(fragments, unit)
    if sides is not None:
        return [block for side in sides for block in _columns(side)]
    for above, below in _bands(fragments):
        if _gutter(above, unit) is not None or _gutter(below, unit) is not None:
            return [block for band in (above, below) for block in _columns(band)]
    return [fragments]


def _gutter(fragments: list[Fragment], unit: float) -> tuple[list[Fragment], list[Fragment]] | None:
    """Both sides of the widest white stripe from top to bottom, if there is one between two columns of text."""
    best: tuple[float, list[Fragment], list[Fragment]] | None = None
    by_left = sorted(fragments, key=lambda fragment: fragment.left)
    reach = by_left[0].right if by_left else 0.0
    for index in range(1, len(by_left)):
        white = by_left[index].left - reach
        left, right = by_left[:index], by_left[index:]
        wider = white >= GUTTER * unit and (best is None or white > best[0])
        if wider and _is_column(left, unit) and _is_column(right, unit):
            best = (white, left, right)
        reach = max(reach, by_left[index].right)
    return None if best is None else best[1:]


def _is_column(side: list[Fragment], unit: float) -> bool:
    return len(side) >= COLUMN_LINES and median(line.right - line.left for line in side) >= COLUMN_WIDTH * unit


def _bands(fragments: list[Fragment]) -> list[tuple[list[Fragment], list[Fragment]]]:
    """What is above and below each white stripe from left to right, the widest first."""
    by_top = sorted(fragments, key=lambda fragment: fragment.top)
    found: list[tuple[float, int]] = []
    reach = by_top[0].bottom
    for index in range(1, len(by_top)):
        found.append((by_top[index].top - reach, index))
        reach = max(reach, by_top[index].bottom)
    widest = sorted((stripe for stripe in found if stripe[0] > 0), reverse=True)[:COLUMN_LINES]
    return [(by_top[:index], by_top[index:]) for _, index in widest]


def _rows(column: list[Fragment]) -> list[Fragment]:
    """Whole lines: fragments at one height, from left to right, as one."""
    rows: list[list[Fragment]] = []
    for fragment in sorted(column, key=lambda fragment: fragment.middle):
        last = rows[-1] if rows else None
        if (
            last is not None
            and fragment.middle - median(f.middle for f in last) < min(fragment.height, last[0].height) / 2
        ):
            last.append(fragment)
        else:
            rows.append([fragment])
    return [_joined(sorted(row, key=lambda fragment: fragment.left)) for row in rows]


def _joined(row: list[Fragment]) -> Fragment:
    return Fragment(
        text=" ".join(fragment.text.strip() for fragment in row),
        left=row[0].left,
        top=min(fragment.top for fragment in row),
        right=max(fragment.right for fragment in row),
        bottom=max(fragment.bottom for fragment in row),
    )


def _paragraphs(rows: list[Fragment]) -> list[str]:
    left, right = min(row.left for row in rows), max(row.right for row in rows)
    pitch = median([below.middle - above.middle for above, below in pairwise(rows)] or [0.0])
    unit = median(row.height for row in rows)
    paragraphs = [rows[0].text]
    for above, row in pairwise(rows):
        apart = row.middle - above.middle > NEW_PARAGRAPH * pitch
        indented = row.left - left > INDENT * unit and row.left - above.left > INDENT * unit / 2
        if apart or indented or above.right - left < SHORT * (right - left):
            paragraphs.append(row.text)
        else:
            paragraphs[-1] = _continue(paragraphs[-1], row.text)
    return paragraphs


def _continue(text: str, line: str) -> str:
    """A word that was broken at the line's end becomes whole; a hyphen of its own is lost with it."""
    if _BROKEN_WORD.search(text) and line[:1].islower():
        return text[:-1] + line
    return f"{text} {line}"
