"""A provider of our own on a real socket, which answers every request with the same bytes."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Served:
    """Where it listens, and the requests that it has read, as text."""

    url: str
    requests: list[str] = field(default_factory=list)


def reply(status: int, body: object, headers: str = "") -> bytes:
    """An HTTP/1.1 answer; `headers` are further lines, each ended by CR LF."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n{headers}\r\n"
    return head.encode() + content


@contextmanager
def serving(answer: bytes, *, hold: bool = False) -> Iterator[Served]:
    """Answer each connection with `answer`, then close it; with `hold` keep it open and say no more."""
    listener = socket.create_server(("127.0.0.1", 0))
    served = Served(f"http://127.0.0.1:{listener.getsockname()[1]}")
    held: list[socket.socket] = []

    def answer_all() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            served.requests.append(_read_request(connection))
            connection.sendall(answer)
            if hold:
                held.append(connection)
            else:
                connection.close()

    thread = threading.Thread(target=answer_all, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in held:
            connection.close()
        thread.join(5)


def _read_request(connection: socket.socket) -> str:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65536)
    return (head + b"\r\n\r\n" + body).decode()
