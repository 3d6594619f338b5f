"""What Anthropic's messages answer, at once or in events, as the SDK's types and recorded traffic show it."""

from __future__ import annotations

from typing import Any

from emulator.ids import new_id
from emulator.tokens import Ending
from emulator.wire import Ask, Event, Json, Reply, Streamed

_STOP_REASONS = {
    Ending.DONE: "end_turn",
    Ending.STOP_SEQUENCE: "stop_sequence",
    Ending.LENGTH: "max_tokens",
    Ending.REFUSED: "refusal",
    Ending.FILTERED: "refusal",
}


def message(ask: Ask, reply: Reply) -> Json:
    """A `message` object; a tool call that was cut short has an empty input."""
    block = _block(ask, reply, whole=True)
    return {
        **_head(ask),
        "content": [] if block is None else [block],
        **_end(ask, reply),
        "usage": {**_usage(reply), **_terms()},
    }


def events(ask: Ask, reply: Reply) -> Streamed:
    """The message without content, its one block and a ping; the tokens; the reason of the end and the usage."""
    block = _block(ask, reply, whole=False)
    usage = {**_usage(reply), "output_tokens": min(1, reply.output_tokens), **_terms()}
    unfinished = dict.fromkeys(("stop_reason", "stop_sequence", "stop_details"))
    start = {**_head(ask), "content": [], **unfinished, "usage": usage}

    def piece(text: str, _: int) -> Event:
        if block is not None and block["type"] == "tool_use":
            delta = {"type": "input_json_delta", "partial_json": text}
        else:
            delta = {"type": "text_delta", "text": text}
        return _event("content_block_delta", index=0, delta=delta)

    opened, closed = list[Event](), list[Event]()
    if block is not None:
        opened.append(_event("content_block_start", index=0, content_block=block))
        closed.append(_event("content_block_stop", index=0))
    return Streamed(
        opening=(_event("message_start", message=start), *opened, _event("ping")),
        piece=piece,
        closing=(
            *closed,
            _event("message_delta", delta=_end(ask, reply), usage=_usage(reply)),
            _event("message_stop"),
        ),
    )


def _event(name: str, **data: Json) -> Event:
    return Event({"type": name, **data}, name, is_of_content=name.startswith("content_block"))


def _head(ask: Ask) -> dict[str, Any]:
    return {"id": new_id("msg_01", 22), "type": "message", "role": "assistant", "model": ask.model}


def _block(ask: Ask, reply: Reply, *, whole: bool) -> dict[str, Any] | None:
    """The only content block, whole or as it begins; None where a filter has taken it away."""
    if reply.ended.ending is Ending.FILTERED:
        return None
    if not _calls_tool(ask, reply):
        return {"type": "text", "text": reply.ended.text if whole else ""}
    assert ask.json_wish is not None
    tool_input = reply.instance if whole and reply.instance is not None else {}
    return {"type": "tool_use", "id": new_id("toolu_01", 22), "name": ask.json_wish.tool, "input": tool_input}


def _calls_tool(ask: Ask, reply: Reply) -> bool:
    return ask.json_wish is not None and ask.json_wish.tool is not None and reply.ended.ending is not Ending.REFUSED


def _end(ask: Ask, reply: Reply) -> dict[str, Any]:
    reason = _STOP_REASONS[reply.ended.ending]
    refusal = {"type": "refusal", "category": None, "explanation": None}
    return {
        "stop_reason": "tool_use" if reason == "end_turn" and _calls_tool(ask, reply) else reason,
        "stop_sequence": reply.ended.stop_sequence,
        "stop_details": refusal if reason == "refusal" else None,
    }


def _usage(reply: Reply) -> dict[str, Any]:
    return {
        "input_tokens": reply.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": reply.output_tokens,
        "output_tokens_details": {"thinking_tokens": 0},
    }


def _terms() -> dict[str, Any]:
    """What the usage of a whole message tells besides."""
    return {
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "service_tier": "standard",
        "inference_geo": "not_available",
    }
