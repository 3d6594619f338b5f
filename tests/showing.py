"""`python -P -m tests.showing show|wait`: a process that says what it is, or waits for a signal."""

from __future__ import annotations

import atexit
import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path


def show() -> None:
    """Print all that the process was given."""
    atexit.register(print, "at the end", file=sys.stderr)
    signals = {signum.name: str(signal.getsignal(signum)) for signum in signal.Signals}
    given = {
        "arguments": sys.argv,
        "environ": dict(os.environ),
        "stdin": sys.stdin.read(),
        "folder": str(Path.cwd()),
        "files": [str(file.readlink()) for file in Path("/proc/self/fd").iterdir() if _is_other(file)],
        "main": sys.modules["__main__"].__name__,
        "path": sys.path,
        "threads": [thread.name for thread in threading.enumerate()],
        "leads": [os.getpgid(0), os.getsid(0)] == [os.getpid()] * 2,
        "signals": signals,
        "encoding": [stream.encoding for stream in (sys.stdin, sys.stdout, sys.stderr)],
        "pid": os.getpid(),
        "random": random.random(),
        "hash": hash("hash"),
    }
    print(json.dumps(given))
    sys.exit(3)


def _is_other(file: Path) -> bool:
    """Whether it is open still, as the folder that lists it is not, and neither of the three that each process has."""
    return file.is_symlink() and int(file.name) > 2


def wait() -> None:
    """Wait for a signal."""
    print("waiting", flush=True)
    time.sleep(60)


if __name__ == "__main__":
    {"show": show, "wait": wait}[sys.argv[1]]()
