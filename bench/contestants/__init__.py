"""Who is measured: ways to have a model asked many times, all with the same HTTP call to the same provider.

A contestant is an entry of `OTHERS` and a module of this folder with a `producing()` of its own. The module runs in
processes of its own only: in a producer (`bench.producer`), and in its workers, where it has some. So no contestant's
library, loop or memory is in another's process, and one that is not installed is left out with a word.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol, Self

Run = Callable[[int], None]
"""Has the model asked so many times and returns when every answer has come back; raises when one does not."""


class Module(Protocol):
    """What each module of this folder has."""

    def producing(self) -> AbstractContextManager[Run]:
        """A producer, ready to run; it finds everything by `Places.from_environ()`."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where everything is, for all processes of one contestant.

    `provider_url` ends with `/v1`. `database_url` has the form that SQLAlchemy knows. `in_flight` is how many calls may
    be out at once. `home` is a folder of the contestant's own.
    """

    home: str
    provider_url: str
    broker_url: str
    database_url: str
    in_flight: int

    def environ(self) -> dict[str, str]:
        """The variables that tell a process."""
        return {f"BENCH_{name.upper()}": str(value) for name, value in asdict(self).items()}

    @classmethod
    def from_environ(cls) -> Self:
        """What this process was told."""
        told: dict[str, Any] = {name: os.environ[f"BENCH_{name.upper()}"] for name in cls.__dataclass_fields__}
        return cls(**{**told, "in_flight": int(told["in_flight"])})


class Store(StrEnum):
    """What a contestant is durable on."""

    NOTHING = "nothing"
    SQLITE = "SQLite"
    POSTGRESQL = "PostgreSQL"


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to do it.

    `libraries` are the distributions that it cannot do without. `worker` is the command of its worker process, in which
    `{in_flight}` stands for how many calls may be out; empty where the producer works itself.
    """

    name: str
    module: str
    libraries: tuple[str, ...]
    worker: tuple[str, ...] = ()
    store: Store = Store.NOTHING

    def versions(self) -> dict[str, str]:
        """The installed versions of its libraries; raises PackageNotFoundError."""
        return {library: version(library) for library in self.libraries}

    def missing(self) -> str:
        """Why it cannot run here; empty where it can."""
        try:
            self.versions()
        except PackageNotFoundError as error:
            return f"{error.name} is not installed: `make bench` does it"
        return ""

    def command(self, places: Places) -> list[str]:
        """The command of its worker."""
        words = [word.format(in_flight=places.in_flight) for word in self.worker]
        return [sys.executable, "-P", "-m", *words] if words else []


CELERY = Contestant(
    "bare Celery",
    "bare_celery",
    ("celery", "kombu", "redis"),
    (
        *("celery", "--quiet", "--app=bench.contestants.bare_celery", "worker", "--pool=threads"),
        *("--concurrency={in_flight}", "--without-gossip", "--without-mingle", "--loglevel=ERROR"),
    ),
)
_DRAMATIQ = Contestant(
    "dramatiq",
    "dramatiq_",
    ("dramatiq", "redis"),
    ("dramatiq", "--processes=1", "--threads={in_flight}", "--skip-logging", "bench.contestants.dramatiq_"),
)
_TASKIQ = Contestant(
    "taskiq",
    "taskiq_",
    ("taskiq", "taskiq-redis"),
    (
        *("taskiq", "worker", "--workers=1", "--max-async-tasks={in_flight}", "--log-level=ERROR"),
        "bench.contestants.taskiq_:broker",
    ),
)
_PROCRASTINATE = Contestant(
    "procrastinate",
    "procrastinate_",
    ("procrastinate", "psycopg", "psycopg-pool"),
    (
        *("procrastinate", "--app=bench.contestants.procrastinate_.app", "worker"),
        "--concurrency={in_flight}",
    ),
    Store.POSTGRESQL,
)
OTHERS = (
    Contestant("asyncio + httpx", "asyncio_httpx", ("httpx", "httpx-aiohttp", "aiohttp")),
    Contestant("LiteLLM Router", "litellm_", ("litellm",)),
    CELERY,
    _DRAMATIQ,
    _TASKIQ,
    Contestant("DBOS, SQLite", "dbos_", ("dbos",), store=Store.SQLITE),
    Contestant("DBOS, PostgreSQL", "dbos_", ("dbos",), store=Store.POSTGRESQL),
    _PROCRASTINATE,
)
"""Whom Mirepoix is measured beside."""
