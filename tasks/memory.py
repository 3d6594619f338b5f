"""What long texts were found to hold, kept for a while: looking takes seconds, and a transaction must not last so long.

A hostile text takes up to four seconds a megabyte, in which every other writer of a SQLite ledger would wait.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Generic, TypeVar

SHORT = 8_000
"""Characters; what is no longer is looked into wherever it stands, in at most some 30 ms."""
MOST_KEPT = 1_024
"""Long texts of which is kept what they hold; those in flight are fewer."""

T = TypeVar("T")


class NotLookedInto(Exception):
    """A text is too long to be looked into within a transaction: roll back, call `look`, and try again."""

    def __init__(self, look: Callable[[], object]) -> None:
        super().__init__("a long text has not been looked into")
        self.look = look


class Memory(Generic[T]):
    """What was found in the last few long texts, by their SHA-256. Safe to share between threads."""

    def __init__(self) -> None:
        self._found: dict[str, T] = {}
        self._lock = Lock()

    def recall(self, text: str, find: Callable[[], T]) -> T:
        """What `find` finds in `text`; raises NotLookedInto where that takes long and has not been done."""
        if len(text) <= SHORT:
            return find()
        try:
            return self._found[_name(text)]
        except KeyError:
            raise NotLookedInto(partial(self.find, text, find)) from None

    def find(self, text: str, find: Callable[[], T]) -> T:
        """As `recall`, however long that takes."""
        name = _name(text)
        if name in self._found:
            return self._found[name]
        found = find()
        if len(text) > SHORT:
            with self._lock:
                if len(self._found) >= MOST_KEPT:
                    del self._found[next(iter(self._found))]
                self._found[name] = found
        return found


def _name(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
