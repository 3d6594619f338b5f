"""What was started for a measurement is gone after it, with all that it started itself."""

from __future__ import annotations

import time
from pathlib import Path

from bench.house import running
from bench.meter import resident

WITHIN = 10


def test_a_process_ends_with_its_children(tmp_path: Path) -> None:
    with running(["sh", "-c", "sleep 600 & echo $!; wait"], {}, tmp_path / "log", talks=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        assert resident(child) > 0
    deadline = time.monotonic() + WITHIN
    while resident(child) > 0:
        assert time.monotonic() < deadline, "the child lives on"
        time.sleep(0.01)  # between two looks: nobody is told when a grandchild ends
