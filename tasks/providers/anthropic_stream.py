"""Anthropic's stream, folded back into the message that would have come without it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, JsonValue

from tasks.providers.base import OnText
from tasks.providers.folding import Pieces
from tasks.providers.trouble import bad_answer, validated

MOST_BLOCKS = 10_000


class _Block(BaseModel):
    type: str
    text: str | None = None
    id: str | None = None
    name: str | None = None


class _Delta(BaseModel):
    type: str | None = None
    text: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None
    stop_details: dict[str, JsonValue] | None = None


class _Message(BaseModel):
    usage: dict[str, JsonValue] | None = None
    model: JsonValue = None


class _Event(BaseModel):
    """Of any type; those that are not known yet are passed over, as Anthropic asks (docs: streaming)."""

    type: str
    index: int | None = None
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: dict[str, JsonValue] | None = None


class AnthropicStream:
    """Takes event after event: message_start, content_block_*, message_delta, message_stop."""

    def __init__(self, on_text: OnText | None) -> None:
        self._on_text = on_text
        self._blocks: list[tuple[_Block, Pieces]] = []
        self._usage: dict[str, JsonValue] = {}
        self._model: JsonValue = None
        self._end: _Delta | None = None
        self._stopped = False

    def take(self, data: dict[str, Any]) -> bool:
        """Whether it was message_stop. Raises ProviderError for an event that breaks the format."""
        event = validated(_Event, data, 200)
        match event.type:
            case "message_start":
                self._count(event.message.usage if event.message else None)
                self._model = event.message.model if event.message else None
            case "content_block_start":
                self._begin(event)
            case "content_block_delta":
                self._go_on(event)
            case "message_delta":
                self._count(event.usage)
                self._end = event.delta or self._end
            case "message_stop":
                self._stopped = True
        return self._stopped

    def whole(self) -> dict[str, JsonValue]:
        """The message. Raises ProviderError for a stream that was cut off."""
        if not self._stopped or self._end is None:
            raise bad_answer("the stream ended without message_stop", 200)
        return {
            "content": [_filled(block, pieces.text()) for block, pieces in self._blocks],
            "stop_reason": self._end.stop_reason,
            "stop_details": self._end.stop_details,
            "usage": self._usage or None,
            "model": self._model,
        }

    def _count(self, usage: dict[str, JsonValue] | None) -> None:
        """Counts are cumulative: what a later event repeats replaces what an earlier one said."""
        self._usage |= {key: value for key, value in (usage or {}).items() if value is not None}

    def _begin(self, event: _Event) -> None:
        if event.content_block is None or event.index != len(self._blocks) or event.index >= MOST_BLOCKS:
            raise bad_answer(f"the stream begins a block of index {event.index}, which cannot be", 200)
        pieces = Pieces()
        pieces.add(event.content_block.text, self._on_text)
        self._blocks.append((event.content_block, pieces))

    def _go_on(self, event: _Event) -> None:
        if event.index is None or not 0 <= event.index < len(self._blocks) or event.delta is None:
            raise bad_answer(f"the stream goes on with block {event.index}, which has not begun", 200)
        block, pieces = self._blocks[event.index]
        if event.delta.type == "text_delta" and block.type == "text":
            pieces.add(event.delta.text, self._on_text)
        elif event.delta.type == "input_json_delta":
            pieces.add(event.delta.partial_json)


def _filled(block: _Block, text: str) -> JsonValue:
    if block.type == "tool_use":
        return {"type": "tool_use", "id": block.id, "name": block.name, "input": text}
    return {"type": block.type, "text": text if block.type == "text" else None}
