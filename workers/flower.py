"""Flower, where people watch workers, queues and tasks."""

from __future__ import annotations

import ipaddress
import os

from mirepoix.config import Config
from mirepoix.errors import ConfigError
from mirepoix.settings import Settings
from mirepoix.web_address import running_web
from workers.app import create_app
from workers.flower_links import link_to_jobs

TASKS_KEPT = 20_000
COLUMNS = "name,args,state,received,started,runtime,worker,uuid"
"""Arguments are the job, the path and the model: what tells one `mirepoix.call` from another."""


def run_flower(settings: Settings, config: Config, *, host: str, port: int, basic_auth: str | None) -> None:
    """Serve Flower on `host:port` until told to stop. Raises ConfigError when it would be open to others.

    `basic_auth` is `user:password`. On the loopback interface it may be left out; the HTTP API then needs no password
    either.
    """
    if basic_auth is None and not is_loopback(host):
        raise ConfigError(
            f"Flower on {host} needs a password: set FLOWER_BASIC_AUTH=user:password, or use --host 127.0.0.1."
        )
    if basic_auth is None:
        os.environ["FLOWER_UNAUTHENTICATED_API"] = "true"
    app, _ = create_app(settings, config)
    link_to_jobs(lambda: settings.web_url or running_web(settings.home))
    options = [
        f"--address={host}",
        f"--port={port}",
        f"--max_tasks={TASKS_KEPT}",
        "--logging=error",
        "--inspect_timeout=2000",
        f"--tasks_columns={COLUMNS}",
    ]
    if basic_auth is not None:
        options.append(f"--basic_auth={basic_auth}")
    app.start(["flower", *options])


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
