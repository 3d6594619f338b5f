"""A house on one of the two stacks: its servers, its emulated providers and its workers."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mirepoix import Settings
from mirepoix.ledger.engine import Database
from tests.faults.load import write_questions
from tests.faults.packages import find_library, require
from tests.faults.services import Broker, PostgreSQL, RabbitMQ, Service, SQLite, Valkey
from tests.system.world import World, clean_environ, responds
from workers.stack import free_port

LEASE = 2
CONFIG = Path(__file__).parent / "mirepoix.yaml"
WORKERS = ("orchestrate", "openai", "local")
STACKS = ("valkey-sqlite", "rabbitmq-postgres")


@dataclass
class Stack:
    """What runs. `broker` holds the queues, `redis` counts chords and wakes producers; on Valkey they are one."""

    name: str
    world: World
    broker: Broker
    redis: Service
    database: Service
    emulator_command: tuple[str, ...]
    keep: bool = False
    """Whether its folder is to stay when all is over."""
    broken: frozenset[str] = frozenset()
    """In what ways the workers are broken on purpose: words of `tests.faults.worker`."""

    def start_workers(self, *names: str) -> None:
        """Start the workers of these names and wait until they are alive."""
        for name in names:
            self.spawn_worker(name)
        for name in names:
            self.world.until(partial(self.is_alive, name), f"worker {name} to start")

    def spawn_worker(self, name: str, serves: str | None = None, **environ: str) -> None:
        """Start one worker process and do not wait for it."""
        module = "tests.faults.worker" if self.broken else "cli"
        wanted = {"FAULTS": " ".join(self.broken), **environ}
        self.world.start(name, "worker", serves or name, module=module, environ=wanted)

    def is_alive(self, name: str) -> bool:
        """Whether the worker consumes its queues."""
        return self.world.is_alive(self.world.processes[name].pid)

    def kill_worker(self, name: str) -> None:
        """End a worker with SIGKILL."""
        self.world.stop(name, signal.SIGKILL)

    def restart_workers(self, broken: frozenset[str]) -> None:
        """Let all workers end well, and start them anew, broken in these ways."""
        for name in WORKERS:
            if name in self.world.processes:
                self.world.stop(name)
        self.broken = broken
        self.start_workers(*WORKERS)

    def start_emulator(self) -> None:
        """Start the providers on the port that they had before, with the bill that they had before."""
        self.world.start("emulator", "emulator", *self.emulator_command)
        self.world.until(lambda: responds(f"{self.world.settings.emulator_url}/_health"), "the emulator")

    @property
    def bill(self) -> Path:
        """The emulator's bill, a SQLite file; it can be read whether or not the emulator runs."""
        return self.world.settings.home / "bill.sqlite3"


@contextmanager
def open_stack(name: str) -> Iterator[Stack]:
    """Start the servers, the emulator and all workers; leave nothing behind, unless the stack says `keep`."""
    _require(name)
    home = Path(tempfile.mkdtemp(prefix="mirepoix-faults-"))
    home.chmod(0o755)  # PostgreSQL's user must reach its folder
    broker, beside, database = _services(name, home)
    stack = _furnish(name, home, broker, beside, database)
    with ExitStack() as exits:
        exits.callback(_clear, stack)
        # RabbitMQ takes seconds to start, in which others could be given the port that Valkey has chosen.
        for service in {id(each): each for each in (beside, broker, database)}.values():
            exits.callback(_put_down, service)
            service.start()
        exits.callback(stack.world.close)
        stack.world.run("migrate")
        stack.start_emulator()
        stack.start_workers(*WORKERS)
        yield stack


def faketime(seconds: int) -> dict[str, str]:
    """Variables under which a process believes that it is `seconds` later than it is; its timers run as always."""
    require({"faketime": "faketime"})
    library = find_library("libfaketime.so.1")
    return {"LD_PRELOAD": str(library), "FAKETIME": f"{seconds:+d}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def _require(name: str) -> None:
    if name == "rabbitmq-postgres":
        require({"rabbitmq-server": "rabbitmq-server", "epmd": "erlang-base", "postgres": "postgresql"})


def _services(name: str, home: Path) -> tuple[Broker, Service, Service]:
    beside = Valkey(home)
    if name == "valkey-sqlite":
        return beside, beside, SQLite(home / "database")
    return RabbitMQ(home / "rabbitmq"), beside, PostgreSQL(home / "postgres")


def _furnish(name: str, home: Path, broker: Broker, beside: Service, database: Service) -> Stack:
    questions = home / "questions.jsonl"
    write_questions(questions)
    port = free_port()
    environ = clean_environ() | {
        "MIREPOIX_HOME": str(home),
        "MIREPOIX_CONFIG": str(CONFIG),
        "MIREPOIX_DATABASE_URL": database.url,
        "MIREPOIX_BROKER_URL": broker.url,
        "MIREPOIX_REDIS_URL": beside.url,
        "MIREPOIX_LEASE": str(LEASE),
        "MIREPOIX_EMULATOR_URL": f"http://127.0.0.1:{port}",
        "MIREPOIX_PARENT": str(os.getpid()),
    }
    settings = Settings.from_env(environ)
    world = World(settings, environ, Database(settings.database_url))
    knobs = ("--port", str(port), "--answers", str(questions), "--bill", str(home / "bill.sqlite3"))
    return Stack(name, world, broker, beside, database, (*knobs, *_latency(world, home)))


def _latency(world: World, home: Path) -> tuple[str, ...]:
    """Calls of 50 to 300 ms, and models that are never wrong, where the emulator takes a scenario."""
    if "--scenario" not in world.run("emulator", "--help").stdout:
        return ("--time-scale", "0.25")
    file = home / "scenario.yaml"
    models = "".join(f"  {name}: {{skill: 9, guess: 1}}\n" for name in ("gpt-6-luna", "gpt-5.4-mini", "gpt-6-sol"))
    file.write_text(f"latency: {{min: 0.05, max: 0.3}}\nmodels:\n{models}")
    return ("--scenario", str(file))


def _put_down(service: Service) -> None:
    service.start() if isinstance(service, SQLite) else service.stop()


def _clear(stack: Stack) -> None:
    if not stack.keep:
        shutil.rmtree(stack.world.settings.home, ignore_errors=True)
