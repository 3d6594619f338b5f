"""Pieces of text that become one, within bounds."""

from __future__ import annotations

from tasks.providers.base import OnText
from tasks.providers.http import MAX_ANSWER_BYTES, too_large


class Pieces:
    """Collects the pieces of a streamed text."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._size = 0
        self._any = False

    def add(self, piece: str | None, on_text: OnText | None = None) -> None:
        """Keep it and hand it over. Raises ProviderError when it is too much."""
        if piece is None:
            return
        self._any = True
        if not piece:
            return
        self._size += len(piece)
        if self._size > MAX_ANSWER_BYTES:
            raise too_large(MAX_ANSWER_BYTES, 200)
        self._pieces.append(piece)
        if on_text is not None:
            on_text(piece)

    def text(self) -> str:
        """All of it."""
        return "".join(self._pieces)

    def text_or_none(self) -> str | None:
        """All of it; None where not even an empty piece came."""
        return self.text() if self._any else None
