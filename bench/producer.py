"""`python -m bench.producer MODULE`: the producer of one contestant, in a process of its own.

It prints a line when it is ready. Then each line of stdin is a number of calls; when all their answers have come back,
a line of stdout has the seconds it took.
"""

from __future__ import annotations

import sys
import time
from contextlib import redirect_stdout
from importlib import import_module
from typing import cast

from bench.contestants import Module


def main() -> None:
    """Produce what is asked for, until stdin ends."""
    answers = sys.stdout
    with redirect_stdout(sys.stderr):  # a library's word is no answer of ours
        module = cast("Module", import_module(f"bench.contestants.{sys.argv[1]}"))
        with module.producing() as run:
            print("ready", file=answers, flush=True)
            for line in sys.stdin:
                started = time.monotonic()
                run(int(line))
                print(time.monotonic() - started, file=answers, flush=True)


if __name__ == "__main__":
    main()
