"""The provider that all contestants ask: OpenAI's chat completions over HTTP, always the same answer, nothing kept.

`python -m bench.provider --latency 1` serves on a free port and prints it. It does as little as a server can, so that
what is measured is who asks: it reads no body, and answers bytes that stand ready.

    POST /v1/chat/completions    the answer, after `latency` seconds
    GET  /count                  how many calls it has answered, and how many were out at once at the most, as JSON
    PUT  /latency?seconds=1      answer later calls after so many seconds
    PUT  /hang?seconds=60        answer no call that comes within so many seconds before they are over
    PUT  /gather?calls=1000      keep the next calls until so many are out, and then answer all of them after `latency`
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Annotated, Any, cast
from urllib.parse import parse_qs, urlsplit

import httptools
import httpx
import typer
import uvloop

MODEL = "gpt-5.4-mini"
ANSWER = "4"
COMPLETION = {
    "id": "chatcmpl-bench",
    "object": "chat.completion",
    "created": 1_767_225_600,
    "model": MODEL,
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": ANSWER}}],
    "usage": {"prompt_tokens": 14, "completion_tokens": 1, "total_tokens": 15},
}


@dataclass(slots=True)
class State:
    """What all connections share: seconds, seconds on the loop's clock, and calls; `kept` wait for `gather` of them."""

    latency: float
    hangs_until: float = 0.0
    answered: int = 0
    out: int = 0
    most_out: int = 0
    gather: int = 0
    kept: list[Callable[[], None]] = field(default_factory=list)


class Connection(asyncio.Protocol):
    """One client: parses requests as they come and answers each in its time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, state: State) -> None:
        self._loop, self._state = loop, state
        self._parser: Any = httptools.HttpRequestParser(self)
        self._target = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep whom to answer."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        """Parse; what is no HTTP ends the connection."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_message_begin(self) -> None:
        """Another request."""
        self._target = ""

    def on_url(self, url: bytes) -> None:
        """Keep what is asked for; it may come in pieces."""
        self._target += url.decode("latin-1")

    def on_message_complete(self) -> None:
        """Answer, now or later."""
        if self._parser.get_method() == b"POST":
            self._answer_call()
        else:
            self._transport.write(self._control())

    def _answer_call(self) -> None:
        state = self._state
        state.out += 1
        state.most_out = max(state.most_out, state.out)
        if state.gather == 0:
            self._answer_in_time()
            return
        state.kept.append(self._answer_in_time)
        if len(state.kept) == state.gather:
            state.gather, kept, state.kept = 0, state.kept, []
            for answer in kept:
                answer()

    def _answer_in_time(self) -> None:
        wait = max(self._state.latency, self._state.hangs_until - self._loop.time())
        if wait > 0:
            self._loop.call_later(wait, self._send)
        else:
            self._send()

    def _send(self) -> None:
        self._state.out -= 1
        if not self._transport.is_closing():
            self._state.answered += 1
            self._transport.write(COMPLETED)

    def _control(self) -> bytes:
        parts = urlsplit(self._target)
        asked = parse_qs(parts.query)
        seconds, calls = float(asked.get("seconds", ["0"])[0]), int(asked.get("calls", ["0"])[0])
        match parts.path:
            case "/count":
                return _response({"answered": self._state.answered, "most_out": self._state.most_out})
            case "/gather":
                self._state.gather = calls
            case "/latency":
                self._state.latency = seconds
            case "/hang":
                self._state.hangs_until = self._loop.time() + seconds
            case _:
                return _response({"error": {"message": f"no {parts.path} here"}}, status="404 Not Found")
        return _response({})


def _response(body: object, status: str = "200 OK") -> bytes:
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    return head.encode() + content


COMPLETED = _response(COMPLETION)


def main(
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 0,
    latency: Annotated[float, typer.Option(help="Seconds that a call takes.")] = 0.0,
) -> None:
    """Serve on the loopback interface until SIGINT or SIGTERM; print the port once it listens."""
    with suppress(KeyboardInterrupt):
        uvloop.run(_serve(port, latency))


async def _serve(port: int, latency: float) -> None:
    loop, state = asyncio.get_running_loop(), State(latency)
    server = await loop.create_server(lambda: Connection(loop, state), "127.0.0.1", port, backlog=8192)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider that runs in a process of its own. `url` is where OpenAI's API begins."""

    pid: int
    root: str

    @property
    def url(self) -> str:
        """The base URL of its API."""
        return f"{self.root}/v1"

    def answered(self) -> int:
        """How many calls it has answered since it started."""
        return self._count("answered")

    def most_out(self) -> int:
        """How many calls were out at once, at the most, since it started."""
        return self._count("most_out")

    def take(self, seconds: float) -> None:
        """Answer calls after so many seconds from now on."""
        self._put("latency", seconds=seconds)

    def hang(self, seconds: float) -> None:
        """Let calls that come within the next seconds wait until those are over."""
        self._put("hang", seconds=seconds)

    def gather(self, calls: int) -> None:
        """Keep the next calls until so many are out, and then answer all of them in their time."""
        self._put("gather", calls=calls)

    def _count(self, name: str) -> int:
        return int(httpx.get(f"{self.root}/count", trust_env=False).raise_for_status().json()[name])

    def _put(self, what: str, **numbers: float) -> None:
        httpx.put(f"{self.root}/{what}", params=numbers, trust_env=False).raise_for_status()


@contextmanager
def serving(latency: float = 0.0) -> Iterator[Provider]:
    """A provider while the block runs."""
    command = [sys.executable, "-m", "bench.provider", "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            if not port:
                raise RuntimeError(f"bench.provider ended at once with exit code {process.wait()}.")
            yield Provider(process.pid, f"http://127.0.0.1:{port}")
        finally:
            process.terminate()


if __name__ == "__main__":
    typer.run(main)
