"""A world of real processes in a temporary home: broker, emulator, workers, Flower; started and stopped by name."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import cycle
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import kombu
import redis

from db.workers import read_alive
from mirepoix import Client, Settings
from mirepoix.config_file import load_config
from mirepoix.ledger.engine import Database
from mirepoix.queues import all_queues
from mirepoix.wake import connect
from tests import processes
from tests.databases import fresh_database
from tests.processes import Process
from workers.embedded import EmbeddedBroker
from workers.stack import free_port

CONFIG = Path(__file__).parent / "mirepoix.yaml"
QUESTIONS = Path(__file__).parents[2] / "examples" / "questions.jsonl"
PATIENCE = 60.0
_NUMBERS = cycle(range(1, 8) if os.environ.get("PYTEST_XDIST_WORKER", "gw0") == "gw0" else range(8, 15))
"""Of Redis databases and virtual hosts: worlds that live at the same time must not take each other's messages.

Tests run in two processes at the most; each has numbers of its own.
"""


@dataclass
class World:
    """Processes that share one home, one ledger, one broker and one emulator."""

    settings: Settings
    environ: dict[str, str]
    database: Database
    processes: dict[str, Process] = field(default_factory=dict)

    def run(self, *arguments: str, stdin: str = "", check: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run `mirepoix <arguments>` to its end; `check` is the exit code to insist on."""
        done = processes.run(
            "cli", *arguments, environ=self.environ, folder=self.settings.home, stdin=stdin, timeout=PATIENCE
        )
        if check is not None:
            assert done.returncode == check, f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def run_with(
        self, environ: dict[str, str], *arguments: str, check: int | None = 0
    ) -> subprocess.CompletedProcess[str]:
        """As `run`, with some variables changed."""
        return replace(self, environ=self.environ | environ).run(*arguments, check=check)

    def lines(self, *arguments: str) -> list[dict[str, Any]]:
        """The JSON objects that a command prints."""
        return [json.loads(line) for line in self.run(*arguments, "--json").stdout.splitlines()]

    def start(self, name: str, *arguments: str, module: str = "cli", environ: Mapping[str, str] | None = None) -> None:
        """Start `mirepoix <arguments>` in the background and call it `name`; `environ` changes some variables."""
        wanted = {**self.environ, **(environ or {})}
        with Path(os.devnull).open() as nothing, (self.settings.home / f"{name}.log").open("ab") as log:
            self.processes[name] = processes.start(
                module, *arguments, environ=wanted, folder=self.settings.home, files=(nothing, log, log)
            )

    def start_workers(self, *names: str) -> None:
        """Start a worker for each of `names` and wait until all of them are alive."""
        for name in names:
            self.start(name, "worker", name)
        for name in names:
            self.until(partial(self.is_alive, self.processes[name].pid), f"worker {name} to start")

    def stop(self, name: str, how: signal.Signals = signal.SIGTERM) -> int:
        """End a process and wait for it; returns its exit code."""
        process = self.processes.pop(name)
        process.send_signal(how)
        return process.wait(PATIENCE)

    def log(self, name: str) -> str:
        """What a process has printed so far."""
        return (self.settings.home / f"{name}.log").read_text(errors="replace")

    def bill(self) -> dict[str, Any]:
        """The emulator's own account of what it answered."""
        answer: dict[str, Any] = httpx.get(f"{self.settings.emulator_url}/_bill", timeout=10, trust_env=False).json()
        return answer

    def client(self) -> Client:
        """A producer's client."""
        return Client(self.settings)

    def redis(self) -> redis.Redis:
        """The Redis that is the broker, or stands beside it."""
        return connect(self.settings.redis_url)

    def until(self, true: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
        """Wait for something to become true, at the most `patience` seconds."""
        deadline = time.monotonic() + patience
        while not true():
            for name, process in self.processes.items():
                assert process.poll() is None, f"{name} died:\n{self.log(name)[-3000:]}"
            assert time.monotonic() < deadline, f"waited {patience} s for {what}"
            time.sleep(0.05)

    def close(self) -> None:
        """End everything; each process gets the chance to end well."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()
        self.database.close()

    def is_alive(self, pid: int) -> bool:
        """Whether the worker with this process id has registered itself."""
        with self.database.read() as connection:
            return any(worker.endswith(f".{pid}") for worker in read_alive(connection))


@contextmanager
def open_world(
    home: Path,
    *,
    time_scale: float = 0.05,
    config: Path = CONFIG,
    emulate: bool = True,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[World]:
    """A migrated ledger, a broker and an emulator; no worker yet. `settings` are more variables for all processes."""
    with fresh_database(home) as database_url, _broker(home, config) as broker:
        environ = clean_environ() | {
            "MIREPOIX_HOME": str(home),
            "MIREPOIX_CONFIG": str(config),
            "MIREPOIX_DATABASE_URL": database_url,
            **broker,
            **settings,
        }
        world = World(Settings.from_env(environ), environ, Database(database_url))
        try:
            world.run("migrate")
            if emulate:
                start_emulator(world, time_scale)
            yield world
        finally:
            world.close()


def start_emulator(world: World, time_scale: float, *more: str) -> None:
    """Start the emulator and point everything started later at it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    knobs = [
        "--time-scale",
        str(time_scale),
        "--answers",
        str(QUESTIONS),
        "--bill",
        str(world.settings.home / "bill.sqlite3"),
    ]
    world.start("emulator", "emulator", "--port", str(port), *knobs, *more)
    world.until(lambda: responds(f"{url}/_health"), "the emulator")
    world.settings = replace(world.settings, emulator_url=url)
    world.environ["MIREPOIX_EMULATOR_URL"] = url


def responds(url: str) -> bool:
    """Whether an HTTP server answers there."""
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def clean_environ(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Our environment without anything that would configure Mirepoix."""
    return {key: value for key, value in environ.items() if not key.startswith(("MIREPOIX_", "OPENAI_", "ANTHROPIC_"))}


@contextmanager
def _broker(home: Path, config: Path) -> Iterator[dict[str, str]]:
    """The variables of an empty broker: the server in MIREPOIX_TEST_BROKER_URL, else an embedded Valkey in `home`."""
    server, beside = os.environ.get("MIREPOIX_TEST_BROKER_URL"), os.environ.get("MIREPOIX_TEST_REDIS_URL")
    if server is not None:
        number = next(_NUMBERS)
        redis_url = f"{(beside or server).rpartition('/')[0]}/{number}"
        client = connect(redis_url)
        client.flushdb()
        client.close()
        if beside is None:
            yield {"MIREPOIX_BROKER_URL": redis_url}
            return
        broker_url = f"{server.rpartition('/')[0]}/w{number}"
        _remove_queues(broker_url, config)
        yield {"MIREPOIX_BROKER_URL": broker_url, "MIREPOIX_REDIS_URL": redis_url}
        return
    broker = EmbeddedBroker(home)
    broker.start()
    try:
        yield {"MIREPOIX_BROKER_URL": broker.url}
    finally:
        broker.stop()


def _remove_queues(broker_url: str, config: Path) -> None:
    """Remove what an earlier world left in this virtual host of the RabbitMQ."""
    with kombu.Connection(broker_url) as connection:
        for queue in all_queues(list(load_config(config).providers)):
            queue(connection.default_channel).delete()
