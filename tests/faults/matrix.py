"""Run rows and print the matrix."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from tests.faults.round import Result

COLUMNS = ("lost", "stuck", "wrong", "failed", "twice", "late", "cost")
SHOWN = 5
LEGEND = """\
lost: accepted, and not in the ledger; stuck: not ended; wrong: a step's or job's output is not the only right one;
failed: ended without an output; twice: steps with two answers; late: billed requests that began after the step's
answer was recorded; cost: requests on which ledger and bill differ; in flight: billed requests whose attempt says that
its outcome is unknown; recovery: from the end of the fault to the end of the last job."""


def header() -> str:
    """The line above the results."""
    names = " ".join(f"{name:>6}" for name in COLUMNS)
    return f"{'stack':<18} {'row':<20} {'jobs':>5} {names} {'in flight':>9} {'recovery':>9} {'whole':>7}"


def line(result: Result) -> str:
    """One result."""
    columns = result.verdict.columns()
    counts = " ".join(f"{len(columns[name]):>6}" for name in COLUMNS)
    times = f"{result.recovery:>7.1f} s {result.whole:>5.1f} s"
    return f"{result.stack:<18} {result.row:<20} {result.jobs:>5} {counts} {result.verdict.in_flight:>9} {times}"


def details(result: Result) -> Iterable[str]:
    """What is in the columns that should be empty; of many the first few."""
    for name, found in result.verdict.columns().items():
        for what in found[:SHOWN]:
            yield f"    {name}: {what}"
        if len(found) > SHOWN:
            yield f"    {name}: … {len(found) - SHOWN} more"


def table(results: Sequence[Result], began: float) -> str:
    """The whole matrix, and what its columns mean."""
    clean = sum(result.clean for result in results)
    return "\n".join(
        [
            "",
            header(),
            *(line(result) for result in results),
            "",
            LEGEND,
            f"{clean} of {len(results)} rows clean, {time.monotonic() - began:.0f} s",
        ]
    )
