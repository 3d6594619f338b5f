"""Start a contestant's processes, and have it run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.contestants import Contestant, Places
from bench.house import running


@dataclass(frozen=True, slots=True)
class Running:
    """A contestant whose processes are up. `processes` are their pids by role."""

    contestant: Contestant
    producer: subprocess.Popen[bytes]
    processes: dict[str, list[int]]
    log: Path

    def run(self, calls: int) -> float:
        """Have the provider asked so many times; seconds until every answer was back."""
        assert self.producer.stdin is not None
        assert self.producer.stdout is not None
        self.producer.stdin.write(f"{calls}\n".encode())
        self.producer.stdin.flush()
        told = self.producer.stdout.readline()
        if not told:
            last = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
            raise RuntimeError(f"the producer of {self.contestant.name} ended:\n{last}")
        return float(told)


@contextmanager
def started(contestant: Contestant, places: Places) -> Iterator[Running]:
    """A contestant's producer, and its worker where it has one, while the block runs.

    Its logs are in `places.home`. Raises what `Contestant.missing` tells of, and RuntimeError when it does not start.
    """
    home = Path(places.home)
    home.mkdir(parents=True, exist_ok=True)
    environ = places.environ()
    command = [sys.executable, "-P", "-m", "bench.producer", contestant.module]
    worker = contestant.command(places)
    log = home / "producer.log"
    with running(command, environ, log, talks=True) as producer:
        roles = {"producer": [producer.pid]}
        if worker is None:
            yield Running(contestant, producer, roles, log)
        else:
            with running(worker, environ, home / "worker.log") as process:
                yield Running(contestant, producer, roles | {"worker": [process.pid]}, log)
