"""A Mirepoix house of real processes for a measurement: broker, ledger, orchestrator and workers, and their pids."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis
from sqlalchemy.engine import make_url

from mirepoix import Settings
from mirepoix.config import ORCHESTRATE, Config
from mirepoix.config_file import parse_config
from workers.app import create_app
from workers.embedded import EmbeddedBroker
from workers.stack import Plan, Stack

KEY = "BENCH_KEY"
"""The variable with the key of the bench's providers; they take any."""
STARTS_WITHIN = 60


@dataclass(frozen=True, slots=True)
class Services:
    """What `scripts/with-services` has started: URLs of a PostgreSQL and a Redis, None where there is none."""

    postgresql: str | None
    redis: str | None

    @classmethod
    def from_environ(cls) -> Self:
        """What this process was told."""
        return cls(os.environ.get("MIREPOIX_TEST_DATABASE_URL"), os.environ.get("MIREPOIX_TEST_BROKER_URL"))

    def versions(self) -> dict[str, str]:
        """Of the servers."""
        found = {}
        if self.postgresql is not None:
            with psycopg.connect(_plain(self.postgresql)) as connection:
                found["postgresql"] = connection.info.parameter_status("server_version") or "?"
        if self.redis is not None:
            with redis.Redis.from_url(self.redis) as client:
                found["redis-server"] = str(client.info("server")["redis_version"])
        return found


@dataclass
class House:
    """What runs. `settings` are those of a client: hand them to `mirepoix.Client`."""

    settings: Settings
    config: Config
    workers: dict[str, list[int]]
    _exits: ExitStack = field(default_factory=ExitStack)

    def processes(self) -> dict[str, list[int]]:
        """The pids by role: orchestrator, worker (all providers'), broker, and database where it has processes."""
        found = {
            "orchestrator": self.workers[ORCHESTRATE],
            "worker": [pid for name, pids in self.workers.items() if name != ORCHESTRATE for pid in pids],
            "broker": [broker_pid(self.settings.redis_url)],
            "database": database_pids(self.settings.database_url),
        }
        return {role: pids for role, pids in found.items() if pids}

    def add_worker(self, name: str, inside: Sequence[str] = ()) -> None:
        """Start one more process for the provider `name`, or one more orchestrator, and wait until it consumes.

        `inside` stands before its command, such as `ip netns exec NAME`.
        """
        command = [*inside, sys.executable, "-P", "-m", "cli", "worker", name]
        log = self.settings.home / "logs" / f"worker-{name}-{len(self.workers[name])}.log"
        process = self._exits.enter_context(running(command, self.settings.environ(), log))
        app, _ = create_app(self.settings, self.config)
        hostname = f"{name}@{socket.gethostname()}.{process.pid}"
        deadline = time.monotonic() + STARTS_WITHIN
        while not app.control.ping([hostname], timeout=0.3):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"another worker of {name} did not start; {log} says why.")
        self.workers[name].append(process.pid)


@contextmanager
def running_house(
    home: Path, config: str, *, database_url: str | None = None, broker_url: str | None = None
) -> Iterator[House]:
    """A house with an orchestrator and one worker process for each provider of `config`, text of a `mirepoix.yaml`.

    Without URLs it has an embedded Valkey and a SQLite file, both in `home`. Logs are in `<home>/logs`. Providers that
    name a `key_env` say `BENCH_KEY`.
    """
    home.mkdir(parents=True, exist_ok=True)
    config_path = home / "mirepoix.yaml"
    config_path.write_text(config)
    os.environ.setdefault(KEY, "bench")
    given = {"MIREPOIX_DATABASE_URL": database_url, "MIREPOIX_BROKER_URL": broker_url}
    environ = {"MIREPOIX_HOME": str(home)} | {name: url for name, url in given.items() if url}
    settings = replace(Settings.from_env(environ), config_path=config_path)
    plan = Plan(flower_port=None, web=False)
    parsed = parse_config(config)
    with Stack(settings, parsed, plan, print) as stack, ExitStack() as exits:
        workers = {child.name.removeprefix("worker-"): [child.process.pid] for child in stack.children}
        try:
            yield House(stack.settings, parsed, workers, exits)
        finally:
            for child in stack.children:
                end_at_once(child.process)


@contextmanager
def new_database(server: str) -> Iterator[str]:
    """The URL of an empty database on the PostgreSQL at `server`, gone afterwards."""
    name = f"bench_{secrets.token_hex(6)}"
    with psycopg.connect(_plain(server), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
        try:
            yield make_url(server).set(database=name).render_as_string(hide_password=False)
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def apart(redis_url: str, number: int) -> str:
    """The Redis at `redis_url`, but its database `number` (0 to 15): who shares a Redis shares no key."""
    parts = urlsplit(redis_url)
    return urlunsplit(parts._replace(path=f"/{number}"))


def broker_pid(url: str) -> int:
    """The process id of a Redis or Valkey on this machine."""
    with redis.Redis.from_url(url) as client:
        return int(client.info("server")["process_id"])


def database_pids(url: str) -> list[int]:
    """The first process of a PostgreSQL on this machine, whose children are all others; none for SQLite."""
    if url.startswith("sqlite"):
        return []
    with psycopg.connect(_plain(url)) as connection:
        row = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        status = Path(f"/proc/{row[0]}/status").read_text()
    return [int(line.split()[1]) for line in status.splitlines() if line.startswith("PPid:")]


def _plain(url: str) -> str:
    """As psycopg knows it, without SQLAlchemy's name of the driver."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def running(
    command: Sequence[str], environ: Mapping[str, str], log: Path, *, talks: bool = False
) -> Iterator[subprocess.Popen[bytes]]:
    """A process while the block runs, in a session of its own. One that `talks` has a pipe as stdin and stdout."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            command,
            env={**os.environ, **environ},
            stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
            stdout=subprocess.PIPE if talks else file,
            stderr=file,
            start_new_session=True,
        )
    with process:
        try:
            yield process
        finally:
            end_at_once(process)


def end_at_once(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that leads a session, and all its children: what was measured has nothing left to lose."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def embedded_broker(home: Path) -> Iterator[str]:
    """The URL of a Valkey of its own, under `home`."""
    broker = EmbeddedBroker(home)
    broker.start()
    try:
        yield broker.url
    finally:
        broker.stop()
