"""The address of the embedded broker, agreed on by every process that shares a home folder.

Its port and password are chosen once and kept in `<home>/broker.url`, readable by the owner only. Starting the
server itself is the work of `workers.embedded`.
"""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path


def embedded_broker_url(home: Path) -> str:
    """The URL in `<home>/broker.url`; chosen now if there is none."""
    try:
        return address_file(home).read_text().strip()
    except FileNotFoundError:
        return choose_address(home)


def choose_address(home: Path) -> str:
    """Write a new URL with a free port of the loopback interface; the file appears whole or not at all."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"redis://:{secrets.token_urlsafe(18)}@127.0.0.1:{port}/0"
    home.mkdir(parents=True, exist_ok=True)
    draft = home / f"broker.url.{os.getpid()}.{secrets.token_hex(4)}"
    draft.touch(mode=0o600)
    draft.write_text(url + "\n")
    draft.replace(address_file(home))
    return url


def address_file(home: Path) -> Path:
    """Where the address is kept."""
    return home / "broker.url"
