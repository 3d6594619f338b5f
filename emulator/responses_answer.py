"""What OpenAI's responses answer, at once or in events, as the SDK's types and recorded traffic show it."""

from __future__ import annotations

import time
from typing import Any

from emulator.ids import new_id
from emulator.tokens import Ending, pieces
from emulator.wire import Ask, Event, Json, Reply, Streamed, TokenLogprob

_INCOMPLETE = {Ending.LENGTH: "max_output_tokens", Ending.FILTERED: "content_filter"}


def response(ask: Ask, reply: Reply, echo: dict[str, Json]) -> dict[str, Json]:
    """A `response` object; `echo` is what it repeats of the request."""
    return _ended(_head(ask, echo), reply, _item(ask, reply))


def events(ask: Ask, reply: Reply, echo: dict[str, Json]) -> Streamed:
    """From `response.created` to `response.completed` or `response.incomplete`, numbered all through."""
    head, item = _head(ask, echo), _item(ask, reply)
    started = {**head, "status": "in_progress", "output": [], "incomplete_details": None, "usage": None}
    opening = [("response.created", {"response": started}), ("response.in_progress", {"response": started})]
    closing: list[tuple[str, dict[str, Json]]] = []
    deltas: tuple[str, dict[str, Json]] = ("", {})
    if item is not None:
        opened, deltas, closed = _tell(item)
        opening, closing = [*opening, *opened], closed
    ended = _ended(head, reply, item)
    closing.append((f"response.{ended['status']}", {"response": ended}))
    first_closing = len(opening) + len(pieces(reply.ended.text))

    def piece(text: str, index: int) -> Event:
        name, where = deltas
        return _event(len(opening) + index, name, {**where, "delta": text})

    return Streamed(
        tuple(_event(number, *each) for number, each in enumerate(opening)),
        piece,
        tuple(_event(number, *each) for number, each in enumerate(closing, start=first_closing)),
    )


Told = list[tuple[str, dict[str, Json]]]


def _tell(item: dict[str, Json]) -> tuple[Told, tuple[str, dict[str, Json]], Told]:
    """The events that open an item, what its deltas have in common, and the events that close it."""
    place: dict[str, Json] = {"output_index": 0, "item_id": item["id"]}
    if item["type"] == "function_call":
        added = {**item, "arguments": "", "status": "in_progress"}
        name, opened, closed = "response.function_call_arguments", Told(), Told()
        done: dict[str, Json] = {"name": item["name"], "arguments": item["arguments"]}
    else:
        (part,) = item["content"]
        key = "refusal" if part["type"] == "refusal" else "text"
        added = {**item, "content": [], "status": "in_progress"}
        place["content_index"] = 0
        empty = {**part, key: ""} | ({"logprobs": []} if key == "text" else {})
        name = f"response.{part['type']}"
        opened = [("response.content_part.added", {**place, "part": empty})]
        closed = [("response.content_part.done", {**place, "part": part})]
        done = {key: part[key]} | ({"logprobs": []} if key == "text" else {})
    common = place | ({"logprobs": []} if name == "response.output_text" else {})
    return (
        [("response.output_item.added", {"output_index": 0, "item": added}), *opened],
        (f"{name}.delta", common),
        [
            (f"{name}.done", {**place, **done}),
            *closed,
            ("response.output_item.done", {"output_index": 0, "item": item}),
        ],
    )


def _event(number: int, name: str, data: dict[str, Json]) -> Event:
    about_content = "item" in data or "item_id" in data
    return Event({"type": name, "sequence_number": number, **data}, name, is_of_content=about_content)


def _head(ask: Ask, echo: dict[str, Json]) -> dict[str, Json]:
    return {
        "id": new_id("resp_", 48),
        "object": "response",
        "created_at": int(time.time()),
        "background": False,
        "error": None,
        "model": ask.model,
        **echo,
    }


def _ended(head: dict[str, Json], reply: Reply, item: dict[str, Json] | None) -> dict[str, Json]:
    reason = _INCOMPLETE.get(reply.ended.ending)
    return {
        **head,
        "status": "completed" if reason is None else "incomplete",
        "incomplete_details": None if reason is None else {"reason": reason},
        "output": [] if item is None else [item],
        "usage": _usage(reply),
    }


def _item(ask: Ask, reply: Reply) -> dict[str, Json] | None:
    """The only item of the output; None where a filter has taken it away."""
    text, ending = reply.ended.text, reply.ended.ending
    if ending is Ending.FILTERED:
        return None
    status = "incomplete" if ending is Ending.LENGTH else "completed"
    if ask.json_wish is not None and ask.json_wish.tool is not None and ending is not Ending.REFUSED:
        called = {"call_id": new_id("call_", 24), "name": ask.json_wish.tool, "arguments": text}
        return {"id": new_id("fc_", 48), "type": "function_call", "status": status, **called}
    part: dict[str, Any] = {"type": "refusal", "refusal": text}
    if ending is not Ending.REFUSED:
        part = {"type": "output_text", "text": text, "annotations": [], "logprobs": _logprobs(reply.logprobs)}
    return {"id": new_id("msg_", 48), "type": "message", "status": status, "role": "assistant", "content": [part]}


def _logprobs(tokens: tuple[TokenLogprob, ...] | None) -> Json:
    return [
        {**_likely(each.token, each.logprob), "top_logprobs": [_likely(*other) for other in each.top]}
        for each in tokens or ()
    ]


def _likely(token: str, logprob: float) -> dict[str, Json]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}


def _usage(reply: Reply) -> dict[str, Json]:
    return {
        "input_tokens": reply.input_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": reply.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": reply.input_tokens + reply.output_tokens,
    }
