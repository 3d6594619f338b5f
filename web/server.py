"""`mirepoix web`: the application on a port."""

from __future__ import annotations

import socket
from contextlib import suppress

import uvicorn
from starlette.types import ASGIApp

from mirepoix.config import Config
from mirepoix.errors import ConfigError
from mirepoix.settings import Settings
from mirepoix.web_address import address_kept
from web.app import create_app
from web.bounds import MOST_HEADER_BYTES
from web.patience import MOST_CONNECTIONS, PatientProtocol

PORT = 8800
KEEP_ALIVE = 75
GRACE = 5


def serve(settings: Settings, config: Config, *, host: str, listener: socket.socket, password: str | None) -> None:
    """Serve on `listener` until SIGINT or SIGTERM. While it does, `<home>/web.url` has the address."""
    server = server_config(create_app(settings, config, password=password))
    # uvicorn raises KeyboardInterrupt again after a clean end: Ctrl-C is how a server ends.
    with address_kept(settings.home, web_url(host, listener)), suppress(KeyboardInterrupt):
        uvicorn.Server(server).run(sockets=[listener])


def server_config(app: ASGIApp) -> uvicorn.Config:
    """How `app` is served.

    Requests are parsed by h11, which takes no malformed header, no second length, and no header longer than we allow.
    """
    return uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=MOST_HEADER_BYTES,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
    )


def listen(host: str, port: int | None) -> socket.socket:
    """Take `port` of `host`; None is the usual one, or a free one where that is taken. Raises ConfigError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, PORT if port is None else port), family=family, backlog=2048)
    except OSError as error:
        if port is None:
            return listen(host, 0)
        raise ConfigError(f"the pages cannot be served on {host}:{port}: {error.strerror}. Choose another.") from error


def web_url(host: str, listener: socket.socket) -> str:
    """The address of what listens."""
    port = listener.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
