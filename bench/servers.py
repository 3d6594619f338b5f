"""A PostgreSQL and a Redis of one's own, where they are installed: as they come from Debian, with durable commits.

Those of `scripts/with-services` listen on the loopback interface only, and do not wait for the disk.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from bench.house import running
from workers.stack import free_port

LOOPBACK = "127.0.0.1"
USER = "postgres"
"""Whom PostgreSQL runs as where we are root, whom it refuses."""
STARTS_WITHIN = 30


def missing() -> str | None:
    """Why there can be no servers here; None where there can."""
    if _postgresql() is None:
        return "PostgreSQL is not installed"
    if shutil.which("redis-server") is None:
        return "redis-server is not installed"
    if os.geteuid() == 0 and not any(user.pw_name == USER for user in pwd.getpwall()):
        return f"PostgreSQL does not run as root, and there is no user {USER}"
    return None


@contextmanager
def postgresql(address: str = LOOPBACK) -> Iterator[str]:
    """The URL of an empty database at `address`, on a server that takes up to 300 connections from its network."""
    with tempfile.TemporaryDirectory() as folder:
        data, log, port = Path(folder, "data"), Path(folder, "log"), free_port()
        Path(folder).chmod(0o755)
        data.mkdir()
        if os.geteuid() == 0:
            shutil.chown(data, USER)
        _run(log, "initdb", "-D", str(data), "-U", "mirepoix", "-A", "trust", "--no-sync")
        with (data / "pg_hba.conf").open("a") as allowed:
            allowed.write("host all all samenet trust\n")
        options = f"-p {port} -c listen_addresses={address} -c unix_socket_directories='' -c max_connections=300"
        _run(log, "pg_ctl", "-D", str(data), "-s", "-w", "-l", str(data / "server.log"), "-o", options, "start")
        try:
            yield f"postgresql+psycopg://mirepoix@{address}:{port}/postgres"
        finally:
            _run(log, "pg_ctl", "-D", str(data), "-s", "-m", "immediate", "stop")


@contextmanager
def redis_server(folder: Path, address: str = LOOPBACK) -> Iterator[str]:
    """The URL of an empty Redis at `address`, which keeps nothing."""
    port = free_port()
    command = ["redis-server", "--bind", address, "--port", str(port), "--protected-mode", "no"]
    with running([*command, "--save", "", "--appendonly", "no"], {}, folder / "redis.log"):
        url = f"redis://{address}:{port}/0"
        deadline = time.monotonic() + STARTS_WITHIN
        while not _answers(url):
            if time.monotonic() > deadline:
                raise RuntimeError(f"redis-server did not start; {folder / 'redis.log'} says why.")
            time.sleep(0.05)
        yield url


def _postgresql() -> Path | None:
    """The folder of the newest one's programs."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda file: int(file.parts[-3]))
    elsewhere = shutil.which("postgres")
    found = debian[-1] if debian else Path(elsewhere) if elsewhere else None
    return found.resolve().parent if found else None


def _run(log: Path, program: str, *arguments: str) -> None:
    folder = _postgresql()
    assert folder is not None, missing()
    user = ["runuser", "-u", USER, "--"] if os.geteuid() == 0 else []
    with log.open("a") as said:
        done = subprocess.run(
            [*user, str(folder / program), *arguments], stdout=said, stderr=said, check=False, cwd=log.parent
        )
    if done.returncode != 0:
        raise RuntimeError(f"{program} ended with exit code {done.returncode}:\n{log.read_text()}")


def _answers(url: str) -> bool:
    with redis.Redis.from_url(url) as client:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False
