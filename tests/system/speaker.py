"""A provider of our own on a real socket: it speaks OpenAI's format, and says what a test wants."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Say:
    """One answer. Streamed, its pieces come `every` so many seconds; with `breaks` the line breaks after them.

    With a `status` that is no 200 it is an error. `calls` are the tools that it asks for: name and arguments.
    """

    pieces: Sequence[str]
    every: float = 0.0
    breaks: bool = False
    finish: str = "stop"
    status: int = 200
    calls: Sequence[tuple[str, str]] = ()

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.pieces)

    @property
    def deltas(self) -> list[dict[str, Any]]:
        """What the chunks of a stream hold, one after the other."""
        pieces: list[dict[str, Any]] = [{"content": piece} for piece in self.pieces]
        return [*pieces, {"tool_calls": self.tool_calls}] if self.calls else pieces

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        """The calls as they stand in an answer, or all in one chunk of it."""
        return [
            {"index": n, "id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for n, (name, arguments) in enumerate(self.calls)
        ]


def say(text: str, *, finish: str = "stop") -> Say:
    """An answer in one piece."""
    return Say([text], finish=finish)


@dataclass
class Speaker:
    """Where it listens, what it was asked, and what it answers to which first prompt: the answers in turn, the last one
    again and again.
    """

    url: str = ""
    answers: dict[str, list[Say]] = field(default_factory=dict)
    asked: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    other: Callable[[str], Say] = lambda prompt: say(f"said: {prompt}")
    lock: threading.Lock = field(default_factory=threading.Lock)

    def hear(self, body: dict[str, Any]) -> Say:
        """The answer to a request, which is kept."""
        prompt = next(turn["content"] for turn in body["messages"] if turn["role"] == "user")
        with self.lock:
            self.asked[prompt].append(body)
            if prompt not in self.answers:
                return self.other(prompt)
            line = self.answers[prompt]
            return line[min(len(self.asked[prompt]), len(line)) - 1]


@contextmanager
def speaking() -> Iterator[Speaker]:
    """A speaker that listens until the end of the block."""
    speaker = Speaker()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            answer = speaker.hear(body)
            if answer.status != 200:
                self._send(answer.status, {"error": {"message": answer.text, "type": "x", "code": "x", "param": None}})
            elif body.get("stream"):
                self._stream(answer)
            else:
                message = {"content": answer.text, "tool_calls": answer.tool_calls}
                choice = {"message": message, "finish_reason": answer.finish}
                self._send(200, {"choices": [choice], "usage": {"prompt_tokens": 10, "completion_tokens": 5}})

        def _send(self, status: int, value: object) -> None:
            content = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _stream(self, answer: Say) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self.end_headers()
            for delta in answer.deltas:
                time.sleep(answer.every)
                self._event({"choices": [{"delta": delta, "finish_reason": None}]})
            if not answer.breaks:
                self._event({"choices": [{"delta": {}, "finish_reason": answer.finish}]})
                self._event({"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}})
                self.wfile.write(b"data: [DONE]\n\n")
            self.close_connection = True

        def _event(self, value: object) -> None:
            self.wfile.write(b"data: " + json.dumps(value).encode() + b"\n\n")
            self.wfile.flush()

        def log_message(self, format: str, *args: object) -> None:
            """Tests print nothing of requests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    speaker.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield speaker
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
