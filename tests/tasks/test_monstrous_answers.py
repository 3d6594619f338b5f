"""Answers that no provider should give: each is a ProviderError, soon, and with little memory."""

from __future__ import annotations

import json
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import repeat
from typing import Any

import pytest

from mirepoix.config import Api
from mirepoix.errors import ProviderError
from mirepoix.prices import Usage
from mirepoix.states import ErrorKind
from tests.tasks.asking import ask, events, question, send
from tests.tasks.servers import reply

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\nconnection: close\r\n\r\n"
JSON, SSE = HEAD % b"application/json", HEAD % b"text/event-stream"
SOON = 8.0
"""Seconds of work, the server's and those of watching the memory among them; others may need the processors too."""
LITTLE = 120_000_000
"""Bytes: a few copies of the largest answer that is read."""
MEGABYTE = b"x" * 1_000_000


@contextmanager
def pouring(head: bytes, parts: Callable[[], Iterator[bytes]]) -> Iterator[str]:
    """A server that sends `head` and then `parts` for as long as anybody reads."""
    listener = socket.create_server(("127.0.0.1", 0))

    def pour() -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(head)
                for part in parts():
                    connection.sendall(part)

    thread = threading.Thread(target=pour, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()
        thread.join(5)


def content(text: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": {"content": text}}]}).encode() + b"\n\n"


ANNOUNCED = JSON[:-2] + b"content-length: 100000000\r\n\r\n"
LINES = b"data: " + b"x" * 50_000 + b"\n"
TROUBLE = JSON.replace(b"200 OK", b"500 X")


@pytest.mark.parametrize(
    ("what", "head", "parts", "kind"),
    [
        ("a body of 100 MB", JSON, lambda: repeat(MEGABYTE, 100), ErrorKind.BAD_ANSWER),
        ("a body that says it has 100 MB", ANNOUNCED, lambda: repeat(MEGABYTE), ErrorKind.BAD_ANSWER),
        ("a line without end", SSE + b"data: ", lambda: repeat(MEGABYTE), ErrorKind.BAD_ANSWER),
        ("an event without end", SSE, lambda: repeat(LINES), ErrorKind.BAD_ANSWER),
        ("text without end", SSE, lambda: repeat(content("y" * 20_000)), ErrorKind.BAD_ANSWER),
        ("comments without end", SSE, lambda: repeat(b": still here\n\n" * 5_000), ErrorKind.BAD_ANSWER),
        ("events without end", SSE, lambda: repeat(b"data: {}\n\n" * 5_000), ErrorKind.BAD_ANSWER),
        ("an error of 100 MB", TROUBLE, lambda: repeat(MEGABYTE, 100), ErrorKind.OVERLOADED),
    ],
)
def test_what_has_no_end_is_ended(
    what: str, head: bytes, parts: Callable[[], Iterator[bytes]], kind: ErrorKind
) -> None:
    started = time.process_time()
    tracemalloc.start()
    try:
        with pouring(head, parts) as url, pytest.raises(ProviderError) as caught:
            send(url, Api.OPENAI, question(), [] if head.startswith(SSE) else None, timeout=90)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    took = time.process_time() - started
    assert caught.value.kind is kind
    assert took < SOON, f"{what} took {took:.1f} s"
    assert peak < LITTLE, f"{what} took {peak:,} bytes"


def test_a_stream_that_only_says_it_is_there_is_given_up_in_time() -> None:
    def drip() -> Iterator[bytes]:
        while True:
            time.sleep(0.05)
            yield b": still here\n\n"

    with pouring(SSE, drip) as url, pytest.raises(ProviderError) as caught:
        send(url, Api.OPENAI, question(), [], timeout=0.5)
    assert caught.value.kind is ErrorKind.TIMEOUT


OK = {"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}
DEEP = "[" * 100_000


@pytest.mark.parametrize("api", [Api.OPENAI, Api.ANTHROPIC, Api.GEMINI])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe\x00\x80",
        b'{"choices": "\xc3\x28"}',
        DEEP.encode(),
        ('{"a":' * 50_000).encode(),
        b"null",
        b"7",
        b'{"choices": 9, "content": 9, "candidates": 9, "type": 9}',
        b'{"usage": ' + b"9" * 5_000 + b"}",
    ],
)
def test_what_is_no_json_of_ours_is_called_so(api: Api, stream: bool, body: bytes) -> None:
    answer = SSE + b"data: " + body + b"\n\n" if stream else reply(200, body)
    with pytest.raises(ProviderError) as caught:
        ask(answer, api, stream=stream)
    assert (caught.value.kind, caught.value.retryable) == (ErrorKind.BAD_ANSWER, True)


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": "many", "completion_tokens": 1},
        {"prompt_tokens": 1.5, "completion_tokens": 1},
        {"prompt_tokens": -1, "completion_tokens": 1},
        {"prompt_tokens": 10**30, "completion_tokens": 1},
        {"prompt_tokens": None, "completion_tokens": 1},
        {"completion_tokens": 1},
        [1, 2],
        "lots",
        {"prompt_tokens": 1, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": []}},
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_counts_that_are_no_counts_are_never_billed(usage: Any, stream: bool) -> None:
    chunks = [{"choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}]}, {"choices": [], "usage": usage}]
    answer = events(chunks, done=True) if stream else reply(200, OK | {"usage": usage})
    with pytest.raises(ProviderError) as caught:
        ask(answer, Api.OPENAI, stream=stream)
    assert caught.value.kind is ErrorKind.BAD_ANSWER


def test_a_packed_answer_is_not_unpacked() -> None:
    with pytest.raises(ProviderError, match="packed") as caught:
        ask(reply(200, b"\x1f\x8b", "content-encoding: gzip\r\n"), Api.OPENAI)
    assert caught.value.kind is ErrorKind.BAD_ANSWER


def test_half_a_surrogate_is_text_all_the_same() -> None:
    body = b'{"choices": [{"message": {"content": "\\ud800\\u0000"}, "finish_reason": "stop"}]}'
    completion = ask(reply(200, body), Api.OPENAI).completion
    assert completion.answer == "\ud800\x00"
    assert isinstance(completion.usage, Usage)
