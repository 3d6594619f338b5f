"""Who is measured: ways to have a model asked many times, all with the same HTTP call to the same provider.

A contestant is a line of `CONTESTANTS` and a module of this folder with a `producing()` of its own. The module runs in
processes of its own only: in a producer (`bench.producer`), and in its workers, where it has some. So no contestant's
library, loop or memory is in another's process, and one that is not installed is left out with a word.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol, Self

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
        told = {name: os.environ[f"BENCH_{name.upper()}"] for name in cls.__dataclass_fields__}
        return cls(**{**told, "in_flight": int(told["in_flight"])})  # type: ignore[arg-type]  # the rest are str


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to do it.

    `libraries` are the distributions it cannot do without. `worker` is the command of its worker process, None where
    the producer works itself; `{python}`, `{in_flight}` stand for what they say. `database` is what it is durable on:
    None for nothing.
    """

    name: str
    module: str
    libraries: tuple[str, ...]
    worker: tuple[str, ...] | None = None
    database: str | None = None

    def versions(self) -> dict[str, str]:
        """The installed versions of its libraries; raises PackageNotFoundError."""
        return {library: version(library) for library in self.libraries}

    def missing(self) -> str | None:
        """Why it cannot run here, None where it can."""
        try:
            self.versions()
        except PackageNotFoundError as error:
            return f"{error.name} is not installed"
        return None

    def command(self, places: Places) -> list[str] | None:
        """The command of its worker."""
        if self.worker is None:
            return None
        return [word.format(in_flight=places.in_flight, home=Path(places.home)) for word in self.worker]


def _python(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-P", "-m", *words)


CONTESTANTS = (
    Contestant("asyncio + httpx", "asyncio_httpx", ("httpx", "httpx-aiohttp", "aiohttp")),
    Contestant(
        "bare Celery",
        "bare_celery",
        ("celery", "kombu", "redis"),
        _python(
            "celery", "--quiet", "--app=bench.contestants.bare_celery", "worker", "--pool=threads",
            "--concurrency={in_flight}", "--without-gossip", "--without-mingle", "--loglevel=ERROR",
        ),
    ),
)  # fmt: skip
