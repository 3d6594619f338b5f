"""A tap on the line to the emulator: passes every request on, and keeps what it saw."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx


@dataclass
class Tap:
    """`url` to send to, and the bodies of all requests so far, as text, and their headers (names in lower case)."""

    url: str
    seen: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def saw(self, text: str) -> bool:
        """Whether any request held `text`."""
        return any(text in body for body in self.seen)


@contextmanager
def tapped(target: str) -> Iterator[Tap]:
    """Listen in front of the server at `target`."""
    client = httpx.Client(base_url=target, timeout=30, trust_env=False)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            tap.seen.append(body.decode())
            tap.headers.append({name.lower(): value for name, value in self.headers.items()})
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            answer = client.post(self.path, content=body, headers=headers)
            self.send_response(answer.status_code)
            self.send_header("content-type", answer.headers["content-type"])
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    tap = Tap(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield tap
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
        client.close()
