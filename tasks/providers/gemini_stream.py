"""Gemini's stream, folded back into the answer that would have come without it."""

from __future__ import annotations

from typing import Any

from tasks.providers.base import OnText
from tasks.providers.folding import Pieces
from tasks.providers.gemini_reply import Candidate, Content, Part, Reply
from tasks.providers.trouble import bad_answer, validated

MOST_CALLS = 1_000


class GeminiStream:
    """Takes piece after piece, each an answer of its own; nothing but a finishReason says that one was the last."""

    def __init__(self, on_text: OnText | None) -> None:
        self._on_text = on_text
        self._text = Pieces()
        self._calls: list[Part] = []
        self._last = Reply()
        self._end: Candidate | None = None

    def take(self, data: dict[str, Any]) -> bool:
        """Never knows that it was the last: usage may still follow. Raises ProviderError."""
        piece = validated(Reply, data, 200)
        given = {name: value for name in Reply.model_fields if (value := getattr(piece, name)) is not None}
        self._last = self._last.model_copy(update=given)
        if piece.candidates:
            candidate = piece.candidates[0]
            for part in (candidate.content and candidate.content.parts) or []:
                self._take_part(part)
            self._end = candidate if candidate.finish_reason else self._end
        return False

    def whole(self) -> Reply:
        """The answer. Raises ProviderError for a stream that was cut off."""
        blocked = self._last.prompt_feedback and self._last.prompt_feedback.block_reason
        if self._end is None:
            if blocked:
                return self._last.model_copy(update={"candidates": None})
            raise bad_answer("the stream ended without a finishReason", 200)
        text = self._text.text_or_none()
        parts = [*([] if text is None else [Part(text=text)]), *self._calls]
        end = self._end.model_copy(update={"content": Content(parts=parts)})
        return self._last.model_copy(update={"candidates": [end]})

    def _take_part(self, part: Part) -> None:
        if part.function_call is not None:
            if len(self._calls) >= MOST_CALLS:
                raise bad_answer(f"the stream asks for more than {MOST_CALLS} tools", 200)
            self._calls.append(part)
        elif not part.thought:
            self._text.add(part.text, self._on_text)
