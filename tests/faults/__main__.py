"""`python -m tests.faults`: run the matrix, print it, and exit 1 when a cell that must be 0 is not.

`--without` a part of the house it exits 1 when every cell is 0: then the matrix would not see what it is there to see.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType

from mirepoix.strict import unknown
from tests.faults.matrix import details, header, line, table
from tests.faults.round import PATIENCE, Result, Row, run_row
from tests.faults.rows import ROWS
from tests.faults.stack import STACKS, Stack, open_stack

DOOMED_PATIENCE = 15.0
"""Seconds to wait for a house that is broken on purpose."""


def main() -> int:
    """Parse the arguments and run."""
    options = _parse()
    for how in (signal.SIGTERM, signal.SIGINT):  # a shell starts its background jobs with SIGINT ignored
        signal.signal(how, _interrupt)
    chosen = [row for row in ROWS if options.rows is None or row.name in options.rows.split(",")]
    began = time.monotonic()
    results = list[Result]()
    for stack in options.stack.split(","):
        print(f"\n{header()}", flush=True)
        with open_stack(stack) as running:
            running.keep = options.keep
            if options.without:
                running.restart_workers(frozenset({f"without-{options.without}"}))
            for result in _run(running, chosen, options):
                results.append(result)
                print(line(result), *details(result), sep="\n", flush=True)
                running.keep |= not result.clean and not options.without
            if running.keep:
                print(f"ledger, bill and logs are kept in {running.world.settings.home}")
    print(table(results, began))
    clean = all(result.clean for result in results)
    return 1 if clean == bool(options.without) else 0


def _run(stack: Stack, rows: list[Row], options: argparse.Namespace) -> Iterator[Result]:
    patience = DOOMED_PATIENCE if options.without else PATIENCE
    if options.minutes is None:
        for row in rows:
            yield run_row(row, stack, seed=options.seed, jobs=options.jobs, patience=patience)
        return
    draws = random.Random(options.seed)
    share = options.minutes * 60 / len(options.stack.split(","))
    until, number = time.monotonic() + share, 0
    while time.monotonic() < until:
        number += 1
        yield run_row(draws.choice(rows), stack, seed=f"{options.seed}.{number}", jobs=options.jobs, patience=patience)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--stack", default=",".join(STACKS), help="which stacks, separated by commas")
    parser.add_argument("--rows", help=f"which rows, separated by commas, of: {', '.join(row.name for row in ROWS)}")
    parser.add_argument("--jobs", type=int, default=300, help="jobs a row")
    parser.add_argument("--seed", default="1", help="the seed of the load and, in a soak, of the choice of rows")
    parser.add_argument("--minutes", type=float, help="soak: random rows for as long as this")
    parser.add_argument("--without", choices=("reconciler", "claim"), help="break the house, to see the matrix see it")
    parser.add_argument("--keep", action="store_true", help="keep ledger, bill and logs even where all is clean")
    options = parser.parse_args()
    for given, known in ((options.stack, STACKS), (options.rows, [row.name for row in ROWS])):
        for name in given.split(",") if given else ():
            if name not in known:
                parser.error(unknown(f"{name!r}", name, known))
    return options


def _interrupt(signum: int, frame: FrameType | None) -> None:
    """End everything that was started, then end."""
    sys.exit(128 + signum)


if __name__ == "__main__":
    sys.exit(main())
