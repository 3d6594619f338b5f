"""Which tool an emulated model calls: one that it must, or one that the last message calls by its name."""

from __future__ import annotations

import re
from collections.abc import Iterable


def named_tool(names: Iterable[str], text: str) -> str | None:
    """The tool among `names` that stands first in `text`, as a word of its own; None where none does."""
    found = [(match.start(), name) for name in names if (match := re.search(rf"\b{re.escape(name)}\b", text))]
    return min(found)[1] if found else None
