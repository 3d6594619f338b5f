"""Clients that never end their header are cut off, over real sockets; those that do are served as ever."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import uvicorn
from starlette.responses import PlainTextResponse

from web.server import listen, server_config

PATIENCE = 1.0
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server of ours that says "hello", less patient than it is."""
    monkeypatch.setattr("web.patience.HEADER_PATIENCE", PATIENCE)
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(server_config(PlainTextResponse("hello")))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(10)
    listener.close()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def until_cut(line: socket.socket, drop: bytes) -> tuple[bytes, float]:
    """Send `drop` again and again; what came back until the server hung up, and after how long."""
    started, heard = time.monotonic(), b""
    line.settimeout(0.05)
    while time.monotonic() < started + 8:
        try:
            if drop:
                line.sendall(drop)
            piece = line.recv(4096)
        except TimeoutError:
            continue
        except OSError:
            return heard, time.monotonic() - started
        if not piece:
            return heard, time.monotonic() - started
        heard += piece
    pytest.fail("the server listens for ever")


def hear(line: socket.socket) -> bytes:
    """One answer, as far as it says hello."""
    heard = b""
    while not heard.endswith(b"hello"):
        piece = line.recv(4096)
        assert piece, heard
        heard += piece
    return heard


@pytest.mark.parametrize("before", [0, 2], ids=["at once", "on a kept connection"])
@pytest.mark.parametrize("begin", [b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"G"], ids=["headers", "the first line"])
def test_a_header_that_comes_byte_by_byte_for_ever_is_cut(port: int, begin: bytes, before: int) -> None:
    with connect(port) as line:
        for _ in range(before):
            line.sendall(REQUEST)
            assert hear(line).startswith(b"HTTP/1.1 200")
        line.sendall(begin)
        heard, seconds = until_cut(line, b"x")
    assert heard.startswith(b"HTTP/1.1 408"), heard
    assert PATIENCE * 0.8 < seconds < PATIENCE + 4


def test_who_never_says_anything_is_cut(port: int) -> None:
    with connect(port) as line:
        heard, seconds = until_cut(line, b"")
    assert heard == b""
    assert PATIENCE * 0.8 < seconds < PATIENCE + 4


def test_a_begun_header_behind_a_whole_request_is_cut(port: int) -> None:
    with connect(port) as line:
        line.sendall(REQUEST + b"GET / HT")
        hear(line)
        heard, _ = until_cut(line, b"")
    assert heard.startswith(b"HTTP/1.1 408"), heard


def test_a_kept_connection_may_be_silent_for_longer_between_requests(port: int) -> None:
    with connect(port) as line:
        for _ in range(2):
            line.sendall(REQUEST)
            assert hear(line).startswith(b"HTTP/1.1 200")
            time.sleep(PATIENCE * 1.5)


def test_connections_beyond_a_bound_are_closed_unheard(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.patience.MOST_OPEN", 5)
    with ExitStack() as stack:
        lines = [stack.enter_context(connect(port)) for _ in range(8)]
        time.sleep(0.3)
        served = 0
        for line in lines:
            try:
                line.sendall(REQUEST)
                served += line.recv(15).startswith(b"HTTP/1.1 200")
            except ConnectionError:
                continue
    assert served == 5
