"""A line to a Redis that breaks once, after the server has done what it was asked and before it can say so."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit, urlunsplit


@contextmanager
def line_that_breaks_once(url: str, at: bytes) -> Iterator[str]:
    """The URL of a relay to `url` that swallows the answer to the first request with `at` in it, and hangs up."""
    parts = urlsplit(url)
    assert parts.hostname
    server = (parts.hostname, parts.port or 6379)
    listener = socket.create_server(("127.0.0.1", 0))
    broken = threading.Event()

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=_relay, args=(connection, server, at, broken), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    login = f":{parts.password}@" if parts.password else ""
    try:
        yield urlunsplit(parts._replace(netloc=f"{login}127.0.0.1:{listener.getsockname()[1]}"))
        assert broken.is_set(), f"nobody asked for {at!r}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def _relay(connection: socket.socket, address: tuple[str, int], at: bytes, broken: threading.Event) -> None:
    """Requests here fit into one packet, and so do their answers."""
    with connection, socket.create_connection(address) as server, suppress(OSError):
        while request := connection.recv(65536):
            server.sendall(request)
            answer = server.recv(65536)
            if at in request and not broken.is_set():
                broken.set()
                return
            connection.sendall(answer)
