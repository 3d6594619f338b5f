"""What processes cost between two moments: CPU seconds and the peak of their memory, read from Linux' /proc.

A process counts with its children: worker pools and PostgreSQL's backends are many processes that do one work. Those
that ended meanwhile are in their parent's times.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")
PEAK_IS_NOW = "5"
"""Written to /proc/PID/clear_refs it makes the peak of resident memory begin anew (proc(5))."""


@dataclass(frozen=True, slots=True)
class Usage:
    """`cpu` in seconds, user and system; `peak` in bytes of resident memory, summed over the role's processes.

    Without shared memory, which each of PostgreSQL's processes would count; other pages that processes share, such as
    a library's code, are counted in each.
    """

    cpu: float
    peak: int


class Meter:
    """Measures processes by what they are there for: `{"worker": [4711], "broker": [4712]}`."""

    def __init__(self, processes: Mapping[str, Iterable[int]]) -> None:
        self._roots = {role: tuple(pids) for role, pids in processes.items()}
        self._before: dict[str, float] = {}

    def start(self) -> None:
        """Measure from now on."""
        for pid in (pid for roots in self._roots.values() for pid in _families(roots)):
            with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                Path(f"/proc/{pid}/clear_refs").write_text(PEAK_IS_NOW)
        self._before = {role: _cpu(roots) for role, roots in self._roots.items()}

    def stop(self) -> dict[str, Usage]:
        """What each role has used since `start`."""
        return {
            role: Usage(_cpu(roots) - self._before[role], sum(map(_peak, _families(roots))))
            for role, roots in self._roots.items()
        }


def resident(pid: int) -> int:
    """Bytes of memory that the process has now, without its children; 0 when it has ended."""
    return _kilobytes(pid, "VmRSS")


def _cpu(roots: Iterable[int]) -> float:
    return sum(_own_cpu(pid) for pid in _families(roots))


def _own_cpu(pid: int) -> float:
    """Its own seconds and those of its children that have ended (fields 14 to 17 of proc(5)'s stat)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, fields[11:15])) * TICK


def _peak(pid: int) -> int:
    return _kilobytes(pid, "VmHWM") - _kilobytes(pid, "RssShmem")


def _kilobytes(pid: int, name: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def _families(roots: Iterable[int]) -> Iterator[int]:
    """The processes and all their descendants, each once."""
    seen: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in seen:
            seen.add(pid)
            yield pid
            waiting += _children(pid)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):
            found += map(int, file.read_text().split())
    return found
