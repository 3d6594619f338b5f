"""The meter sees what processes and their children use, and no more."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.meter import Meter, resident

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the meter reads Linux' /proc")

WORKS = """
import time
print("up", flush=True)
for line in iter(input, ""):
    began = time.process_time()
    filled = b"x" * (int(line) * 1_000_000)
    while time.process_time() - began < 0.3:
        pass
    del filled
    print("done", flush=True)
"""
IN_A_CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WORKS!r}])"


@contextmanager
def process(program: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        running.stdout.readline()
        try:
            yield running
        finally:
            assert running.stdin is not None
            running.stdin.write("\n")
            running.stdin.close()


def work(running: subprocess.Popen[str], megabytes: int) -> None:
    assert running.stdin is not None
    assert running.stdout is not None
    running.stdin.write(f"{megabytes}\n")
    running.stdin.flush()
    assert running.stdout.readline() == "done\n"


@pytest.mark.parametrize("program", [WORKS, IN_A_CHILD], ids=["itself", "child"])
def test_cpu_of_a_process_and_its_children_counts_between_start_and_stop(program: str) -> None:
    with process(program) as busy, process(WORKS) as idle:
        work(busy, 1)
        meter = Meter({"busy": [busy.pid], "idle": [idle.pid]})
        meter.start()
        work(busy, 1)
        used = meter.stop()
    assert 0.25 <= used["busy"].cpu <= 0.55
    assert used["idle"].cpu <= 0.05


def test_a_peak_is_seen_after_it_is_over_and_one_before_the_start_is_not() -> None:
    with process(WORKS) as running:
        work(running, 100)
        meter = Meter({"it": [running.pid]})
        meter.start()
        work(running, 40)
        peak = meter.stop()["it"].peak
        now = resident(running.pid)
    assert 35e6 <= peak - now <= 80e6


def test_a_process_that_has_ended_is_no_error() -> None:
    with process(WORKS) as running:
        meter = Meter({"it": [running.pid]})
        meter.start()
    assert meter.stop()["it"].peak == 0
