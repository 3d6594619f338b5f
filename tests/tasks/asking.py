"""Put a question to a server of ours through an adapter, whole or as a stream."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mirepoix.config import Api, Provider
from tasks.loop import Loop
from tasks.providers import open_adapter
from tasks.providers.base import Adapter, Completion, Question, Tool, ToolCall, Turn
from tests.tasks.servers import Served, serving

LOOP = Loop()
KEPT: list[Adapter] = []
"""Like those of a worker they are never closed; collected as garbage, each would print that it was not."""
TOOL = Tool("look_up", "Find it.", {"type": "object", "properties": {"word": {"type": "string"}}})
CALLED = (ToolCall("c1", "look_up", {"word": "é"}), ToolCall("c2", "look_up", "no object"))
USED_TOOLS = (
    Turn("user", "Why?"),
    Turn("assistant", "Let me see.", calls=CALLED),
    Turn("tool", "found", answers=CALLED[0]),
    Turn("tool", '{"n": 2}', answers=CALLED[1]),
)
"""A conversation that ends with what two tools gave."""
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def question(**said: Any) -> Question:
    """One with these changes."""
    plain = {"turns": (Turn("user", "Why?"),), "system": None, "max_tokens": 7, "temperature": None}
    return Question(target="the-model", **(plain | said))


@dataclass(frozen=True)
class Asked:
    """What came back, the pieces of the stream, and what was sent: request line, headers, JSON."""

    completion: Completion
    pieces: list[str]
    first: str
    headers: dict[str, str]
    body: dict[str, Any]


def ask(answer: bytes, api: Api, *, stream: bool = False, asked: Question | None = None, **settings: object) -> Asked:
    """Ask a server that answers with `answer`. Raises ProviderError."""
    with serving(answer) as served:
        pieces: list[str] = []
        completion = send(served.url, api, asked or question(), pieces if stream else None, **settings)
        return Asked(completion, pieces, *sent(served))


def send(url: str, api: Api, asked: Question, pieces: list[str] | None = None, **settings: object) -> Completion:
    """Put `asked` to the server at `url`; with `pieces` as a stream that adds to them."""
    data = {"api": api, "base_url": url, "key_env": "THE_KEY", "timeout": 10, "connect_timeout": 1, **settings}
    provider = Provider.model_validate(data)
    adapter = open_adapter("p", provider, LOOP, emulator_url=None, environ={"THE_KEY": "sk-secret"})
    KEPT.append(adapter)
    return LOOP.run(adapter.send(adapter.body(asked), "01JOB/$", None if pieces is None else pieces.append))


def sent(served: Served) -> tuple[str, dict[str, str], dict[str, Any]]:
    """The request line, headers and JSON of the only request."""
    (request,) = served.requests
    head, _, body = request.partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    return first, {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}, json.loads(body)


def events(parts: Iterable[object], *, done: bool = False, status: int = 200) -> bytes:
    """A stream of server-sent events without a length, which ends with its connection."""
    head = f"HTTP/1.1 {status} X\r\ncontent-type: text/event-stream; charset=utf-8\r\nconnection: close\r\n\r\n"
    lines = [part if isinstance(part, str) else json.dumps(part) for part in parts] + (["[DONE]"] if done else [])
    return head.encode() + "".join(f"data: {line}\n\n" for line in lines).encode()
