"""The whole house on one machine: broker, emulator, a worker per provider, orchestrators, Flower, pages."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
from celery import Celery

from db.migrate import migrate
from mirepoix.config import ORCHESTRATE, Config
from mirepoix.errors import MirepoixError
from mirepoix.ledger.engine import Database
from mirepoix.settings import Settings
from mirepoix.web_address import running_web
from workers.app import create_app
from workers.embedded import EmbeddedBroker
from workers.run import require_ready

STARTUP = 60.0
GRACE = 30.0
RESTART_WAIT = 1.0
LOG_TAIL = 15


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start. `emulate`: providers with an HTTP API are emulated.

    `flower_port` None: no Flower. `web_port` None: the usual one, or one that is free.
    """

    emulate: bool = False
    seed: int = 0
    time_scale: float = 1.0
    answers: tuple[Path, ...] = ()
    flower_port: int | None = 5555
    web: bool = True
    web_port: int | None = None


@dataclass(slots=True)
class _Child:
    name: str
    arguments: list[str]
    process: subprocess.Popen[bytes]


@dataclass(slots=True)
class Stack:
    """While entered, everything runs; afterwards nothing does. Each process logs to `<home>/logs/<name>.log`."""

    settings: Settings
    config: Config
    plan: Plan
    on_event: Callable[[str], None]
    children: list[_Child] = field(default_factory=list)
    _exits: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        emulated = replace(self.settings, emulator_url="pending") if self.plan.emulate else self.settings
        require_ready(emulated, self.config, [ORCHESTRATE, *self.config.providers])
        with self._exits:
            self._exits.enter_context(_only_one(self.settings.home))
            self._exits.callback(self._stop)
            self._start()
            self._exits = self._exits.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exits.close()

    @property
    def flower_url(self) -> str | None:
        """Where Flower is; None when it was not asked for."""
        return f"http://127.0.0.1:{self.plan.flower_port}" if self.plan.flower_port is not None else None

    @property
    def web_url(self) -> str | None:
        """Where the pages are; None when they were not asked for."""
        return running_web(self.settings.home) if self.plan.web else None

    def watch(self) -> None:
        """Restart what dies, until interrupted."""
        while True:
            time.sleep(RESTART_WAIT)
            for child in self.children:
                code = child.process.poll()
                if code is not None:
                    self.on_event(f"{child.name} ended with exit code {code}; it is started again")
                    child.process = self._spawn(child.name, child.arguments)

    def _start(self) -> None:
        if self.settings.broker_is_embedded:
            broker = EmbeddedBroker(self.settings.home)
            self._exits.callback(broker.stop)
            broker.start()
            self.settings = replace(self.settings, broker_url=broker.url, redis_url=broker.url)
        database = Database(self.settings.database_url)
        migrate(database)
        database.close()
        emulated = self._start_emulator() if self.plan.emulate else None
        names = [ORCHESTRATE, *self.config.providers]
        for name in names:
            self._add(f"worker-{name}", ["worker", name])
        if self.plan.flower_port is not None:
            self._add("flower", ["flower", "--port", str(self.plan.flower_port)])
        if self.plan.web:
            port = [] if self.plan.web_port is None else ["--port", str(self.plan.web_port)]
            self._add("web", ["web", *port])
        app, _ = create_app(self.settings, self.config)
        if emulated is not None:
            self._wait("the emulator", lambda: responds(f"{emulated}/_health"))
        self._wait("the workers", lambda: self._all_consume(app))
        if self.flower_url is not None:
            self._wait("Flower", self._flower_knows_us)
        if self.plan.web:
            self._wait("the pages", lambda: self.web_url is not None)

    def _start_emulator(self) -> str:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        answers = [part for file in self.plan.answers for part in ("--answers", str(file))]
        bill = str(self.settings.home / "bill.sqlite3")
        knobs = ["--seed", str(self.plan.seed), "--time-scale", str(self.plan.time_scale), "--bill", bill]
        self._add("emulator", ["emulator", "--port", str(port), *knobs, *answers])
        self.settings = replace(self.settings, emulator_url=url)
        return url

    def _add(self, name: str, arguments: list[str]) -> None:
        self.children.append(_Child(name, arguments, self._spawn(name, arguments)))

    def _spawn(self, name: str, arguments: list[str]) -> subprocess.Popen[bytes]:
        """Start `mirepoix <arguments>` in a session of its own: Ctrl-C reaches only us, and we stop them in order."""
        with self._log(name).open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", "cli", *arguments],
                env={**os.environ, **self.settings.environ(), "MIREPOIX_PARENT": str(os.getpid())},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _stop(self) -> None:
        for child in self.children:
            if child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        for child in self.children:
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
        self.children.clear()

    def _all_consume(self, app: Celery) -> bool:
        """Whether every worker of ours answers on its queue of control messages: it consumes its other queues too."""
        ours = {str(child.process.pid) for child in self.children if child.name.startswith("worker-")}
        answers = app.control.ping(timeout=0.3, limit=len(ours)) or []
        return ours <= {name.rpartition(".")[2] for answer in answers for name in answer}

    def _flower_knows_us(self) -> bool:
        """Flower's first look at the workers may come back empty; who opens its page should not see that."""
        if not responds(f"{self.flower_url}/healthcheck"):
            return False
        workers = httpx.get(f"{self.flower_url}/api/workers", params={"refresh": "1"}, timeout=10, trust_env=False)
        return workers.is_success and len(workers.json()) > len(self.config.providers)

    def _wait(self, what: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + STARTUP
        while not ready():
            for child in self.children:
                if child.process.poll() is not None:
                    raise MirepoixError(f"{child.name} did not start:\n{self._tail(child.name)}")
            if time.monotonic() > deadline:
                raise MirepoixError(f"{what} did not start within {STARTUP:g} s; {self._log('').parent} has the logs.")
            time.sleep(0.05)

    def _log(self, name: str) -> Path:
        folder = self.settings.home / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.log"

    def _tail(self, name: str) -> str:
        lines = self._log(name).read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL:])


def free_port() -> int:
    """A port of the loopback interface that is free at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def _only_one(home: Path) -> Iterator[None]:
    """Two houses in one home would share a broker and fight over it; the lock goes with the process."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise MirepoixError(
                f"mirepoix runs in {home} already; use that one, or set MIREPOIX_HOME to another folder."
            ) from error
        yield


def responds(url: str) -> bool:
    """Whether a server stands at `url` and is well."""
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False
