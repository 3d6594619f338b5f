"""What OpenAI's chat completions answer, at once or in chunks, as the SDK's types and recorded traffic show it."""

from __future__ import annotations

import time
from typing import Any

from emulator.ids import new_id
from emulator.tokens import Ending
from emulator.wire import Ask, Event, Json, Reply, Streamed, TokenLogprob

FINGERPRINT = "fp_mirepoix"
DONE = Event("[DONE]")

_FINISH_REASONS = {
    Ending.DONE: "stop",
    Ending.STOP_SEQUENCE: "stop",
    Ending.LENGTH: "length",
    Ending.REFUSED: "stop",
    Ending.FILTERED: "content_filter",
}


def completion(ask: Ask, reply: Reply) -> Json:
    """A `chat.completion` object."""
    choice = {
        "index": 0,
        "message": _message(ask, reply),
        "logprobs": _logprobs(reply.logprobs),
        "finish_reason": _finish_reason(ask, reply),
    }
    return {**_head(ask, "chat.completion"), "choices": [choice], "usage": _usage(reply)}


def chunks(ask: Ask, reply: Reply) -> Streamed:
    """`chat.completion.chunk` objects: the role, each token, the reason of the end, the usage where it is asked for."""
    head, tool = _head(ask, "chat.completion.chunk"), ask.json_wish.tool if ask.json_wish is not None else None
    unsaid = {"usage": None} if ask.tells_usage else {}

    def chunk(delta: Json, finish_reason: str | None = None, logprobs: Json = None) -> Event:
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        return Event({**head, "choices": [choice], **unsaid})

    def piece(text: str, index: int) -> Event:
        if _calls_tool(ask, reply):
            return chunk({"tool_calls": [{"index": 0, "function": {"arguments": text}}]})
        told = None if reply.logprobs is None else _logprobs(reply.logprobs[index : index + 1])
        return chunk({"refusal" if reply.ended.ending is Ending.REFUSED else "content": text}, logprobs=told)

    opening: dict[str, Any] = {"role": "assistant", "content": "", "refusal": None}
    if _calls_tool(ask, reply):
        called = {"id": new_id("call_", 24), "type": "function", "function": {"name": tool, "arguments": ""}}
        opening |= {"content": None, "tool_calls": [{"index": 0, **called}]}
    usage = [Event({**head, "choices": [], "usage": _usage(reply)})] if ask.tells_usage else []
    return Streamed((chunk(opening),), piece, (chunk({}, _finish_reason(ask, reply)), *usage, DONE))


def _head(ask: Ask, kind: str) -> dict[str, Any]:
    return {
        "id": new_id("chatcmpl-", 29),
        "object": kind,
        "created": int(time.time()),
        "model": ask.model,
        "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
    }


def _message(ask: Ask, reply: Reply) -> dict[str, Any]:
    text = reply.ended.text
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    if _calls_tool(ask, reply):
        assert ask.json_wish is not None
        function = {"name": ask.json_wish.tool, "arguments": text}
        called = {"id": new_id("call_", 24), "type": "function", "function": function}
        return message | {"content": None, "tool_calls": [called]}
    if reply.ended.ending is Ending.REFUSED:
        return message | {"content": None, "refusal": text}
    return message


def _calls_tool(ask: Ask, reply: Reply) -> bool:
    return (
        ask.json_wish is not None
        and ask.json_wish.tool is not None
        and reply.ended.ending not in (Ending.REFUSED, Ending.FILTERED)
    )


def _finish_reason(ask: Ask, reply: Reply) -> str:
    """`tool_calls` where the model chose a tool; one that it was told to call by name ends with `stop`."""
    reason = _FINISH_REASONS[reply.ended.ending]
    wish = ask.json_wish
    chosen = wish is not None and not wish.is_forced and _calls_tool(ask, reply)
    return "tool_calls" if chosen and reason == "stop" else reason


def _logprobs(tokens: tuple[TokenLogprob, ...] | None) -> Json:
    if tokens is None:
        return None
    return {"content": [_token(each.token, each.logprob, each.top) for each in tokens], "refusal": None}


def _token(token: str, logprob: float, top: tuple[tuple[str, float], ...]) -> dict[str, Any]:
    return {**_likely(token, logprob), "top_logprobs": [_likely(*other) for other in top]}


def _likely(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}


def _usage(reply: Reply) -> dict[str, Any]:
    return {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0, "cache_write_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
