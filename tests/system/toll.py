"""A toll on the line to the emulator: it passes requests on, and may strike before the answer to one is told."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

LEFT_OUT = ("host", "transfer-encoding", "content-length", "connection")


@dataclass
class Toll:
    """`url` to send to. `strike` is called once, when a request that fits `at` (`POST /v1/files`) has been answered."""

    url: str
    at: re.Pattern[str] | None = None
    strike: Callable[[], None] = lambda: None
    struck: threading.Event = field(default_factory=threading.Event)

    def arm(self, at: str, strike: Callable[[], None]) -> None:
        """Strike at the next request that fits."""
        self.struck.clear()
        self.strike, self.at = strike, re.compile(at)


@contextmanager
def toll(target: str) -> Iterator[Toll]:
    """Listen in front of the server at `target`."""
    client = httpx.Client(base_url=target, timeout=60, trust_env=False)
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in LEFT_OUT}
            answer = client.request(self.command, self.path, content=_body(self), headers=headers)
            self._pay()
            self.send_response(answer.status_code)
            self.send_header("content-type", answer.headers["content-type"])
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def do_GET(self) -> None:
            self._pass_on()

        def do_POST(self) -> None:
            self._pass_on()

        def _pay(self) -> None:
            with lock:
                if opened.at is None or not opened.at.fullmatch(f"{self.command} {self.path}"):
                    return
                opened.at = None
            opened.strike()
            opened.struck.set()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Who asked has been killed."""

    server = Server(("127.0.0.1", 0), Handler)
    opened = Toll(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield opened
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
        client.close()


def _body(handler: BaseHTTPRequestHandler) -> bytes:
    """What comes with a request, in one piece or in chunks."""
    if handler.headers.get("transfer-encoding", "") != "chunked":
        return handler.rfile.read(int(handler.headers.get("content-length", "0")))
    parts = list[bytes]()
    while size := int(handler.rfile.readline(), 16):
        parts.append(handler.rfile.read(size))
        handler.rfile.readline()
    handler.rfile.readline()
    return b"".join(parts)
