"""A worker of several providers is a process for each, so that none waits for another's limits or slowness."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from types import FrameType

from mirepoix.errors import MirepoixError

LOOK_INTERVAL = 0.2


def run_several(names: list[str]) -> None:
    """Run a worker for each of `names`, with our own environment, until told to stop.

    Signals are passed on. When one worker ends by itself the others are told to, and MirepoixError is raised: whoever
    supervises us starts all of them again.
    """
    workers = [_start(name) for name in dict.fromkeys(names)]
    told = False

    def pass_on(signum: int, frame: FrameType | None) -> None:
        nonlocal told
        told = True
        _tell(workers)

    for how in (signal.SIGTERM, signal.SIGINT):
        signal.signal(how, pass_on)
    while all(worker.poll() is None for worker in workers):
        time.sleep(LOOK_INTERVAL)
    ended = next(worker for worker in workers if worker.poll() is not None)
    if not told:
        _tell(workers)
    for worker in workers:
        worker.wait()
    if not told:
        raise MirepoixError(f"the worker {ended.args!r} ended with exit code {ended.returncode}.")


def _start(name: str) -> subprocess.Popen[bytes]:
    """In a session of its own: a Ctrl-C reaches it once, through us."""
    command = [sys.executable, "-P", "-m", "cli", "worker", name]
    return subprocess.Popen(command, env={**os.environ, "MIREPOIX_PARENT": str(os.getpid())}, start_new_session=True)


def _tell(workers: list[subprocess.Popen[bytes]]) -> None:
    for worker in workers:
        if worker.poll() is None:
            worker.send_signal(signal.SIGTERM)
