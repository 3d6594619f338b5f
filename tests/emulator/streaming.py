"""Streams as a client reads them, for tests of both providers."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from emulator.profiles import WireApi
from tests.emulator.asking import KEYS, MODELS, Asking

PATHS: dict[WireApi, str] = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}


@dataclass
class Read:
    """What came of a stream: its events' names and data, when each came, and how it ended."""

    names: list[str | None] = field(default_factory=list)
    data: list[Any] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    error: Exception | None = None

    def text(self) -> str:
        """The tokens put together."""
        return "".join(piece for event in self.data if (piece := _piece(event)))

    def usage(self) -> dict[str, Any]:
        """The last usage told."""
        told: list[dict[str, Any]] = [event["usage"] for event in self.data if _has(event, "usage")]
        return told[-1]

    def is_complete(self) -> bool:
        """Whether the stream ended with the event that says so."""
        return self.data[-1] in ("[DONE]", {"type": "message_stop"})


def body_of(api: WireApi, text: str, **changes: Any) -> dict[str, Any]:
    """A request for a stream."""
    body = {"model": MODELS[api], "max_tokens": 200, "messages": [{"role": "user", "content": text}], "stream": True}
    return body | ({"stream_options": {"include_usage": True}} if api == "openai" else {}) | changes


def read_stream(there: Asking, api: WireApi, text: str = "What?", *, tag: str = "", **changes: Any) -> Read:
    """Ask for a stream and read it to its end, whatever that is."""
    read, started, name = Read(), time.monotonic(), None
    headers = {**KEYS, "x-client-request-id": tag}
    try:
        with there.client.stream("POST", PATHS[api], json=body_of(api, text, **changes), headers=headers) as answer:
            assert answer.status_code == 200, answer.read()
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    told = line.removeprefix("data: ")
                    read.names.append(name)
                    read.data.append(told if told == "[DONE]" else _json(told))
                    read.times.append(time.monotonic() - started)
    except httpx.HTTPError as error:
        read.error = error
    return read


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _has(event: Any, key: str) -> bool:
    return isinstance(event, dict) and bool(event.get(key))


def _piece(event: Any) -> str | None:
    if not isinstance(event, dict):
        return None
    delta = event["choices"][0]["delta"] if event.get("choices") else event.get("delta", {})
    piece: str | None = delta.get("content") or delta.get("refusal") or delta.get("text")
    return piece
