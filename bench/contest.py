"""Start a contestant's processes, and have it run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from bench.contestants import Contestant, Places
from bench.house import running

TAIL = 15
"""Lines of a log."""
NOTHING_MORE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Running:
    """A contestant whose processes are up. `processes` are their pids by role: producer, and worker if it has one."""

    name: str
    processes: dict[str, list[int]]
    _producer: subprocess.Popen[bytes]
    _home: Path

    def run(self, calls: int) -> float:
        """Have the provider asked so many times; seconds until every answer was back. Raises RuntimeError."""
        assert self._producer.stdin is not None
        self._producer.stdin.write(f"{calls}\n".encode())
        self._producer.stdin.flush()
        return float(self.told())

    def told(self) -> bytes:
        """The next line that the producer prints; raises RuntimeError, with the ends of the logs, when it has ended."""
        assert self._producer.stdout is not None
        line = self._producer.stdout.readline()
        if not line:
            raise RuntimeError(f"the producer of {self.name} ended:\n{self._logged()}")
        return line

    def _logged(self) -> str:
        return "\n".join(
            f"{log.name}: {line}"
            for log in sorted(self._home.glob("*.log"))
            for line in log.read_text(errors="replace").splitlines()[-TAIL:]
        )


@contextmanager
def started(contestant: Contestant, places: Places, environ: Mapping[str, str] = NOTHING_MORE) -> Iterator[Running]:
    """A contestant's producer, and its worker where it has one, while the block runs; they log to `places.home`.

    `environ` has more variables for them. Raises RuntimeError when the producer does not start.
    """
    home = Path(places.home)
    home.mkdir(parents=True, exist_ok=True)
    told = {**environ, **places.environ()}
    command = [sys.executable, "-P", "-m", "bench.producer", contestant.module]
    worker = contestant.command(places)
    with ExitStack() as stack:
        producer = stack.enter_context(running(command, told, home / "producer.log", talks=True))
        contest = Running(contestant.name, {"producer": [producer.pid]}, producer, home)
        contest.told()  # it has made what its worker needs
        if worker:
            process = stack.enter_context(running(worker, told, home / "worker.log"))
            contest.processes["worker"] = [process.pid]
        yield contest
