"""`python -m bench.run`: measure section after section, print a table of each with its goals, keep it as JSON."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.contestants import OTHERS
from bench.house import Services
from bench.result import Machine, Report, Result, notes, table
from bench.scale import Scale

SECTIONS = {
    "a": "throughput",
    "b": "latency",
    "c": "in_flight",
    "d": "growth",
    "e": "scale_out",
    "f": "neighbour",
    "g": "ledger",
}
"""Modules of this folder with `run(scale: Scale) -> Result`."""
LATEST = Path(__file__).parent / "results" / "latest.json"
"""What a full run of all sections found: `bench.report` makes the document of it."""
PARTIAL = Path(".mirepoix", "bench.json")
"""What any other run found."""
WIDTH = 200
"""Columns where nobody watches, such as in a log."""
OURS = ("mirepoix", "sqlalchemy", "psycopg", "celery", "kombu", "redis", "httpx", "aiohttp", "uvloop")
out = Console(width=None if sys.stdout.isatty() else WIDTH)


def main(
    quick: Annotated[bool, typer.Option(help="Fewer calls and rounds.")] = False,
    only: Annotated[str, typer.Option(help="Sections, such as a,b; left out: all.")] = "",
    json: Annotated[Path | None, typer.Option(help="Where to keep it.")] = None,
) -> None:
    """Measure. A goal that is not reached is told as such; it is no failure of the command."""
    scale = Scale.QUICK if quick else Scale.FULL
    wanted = _wanted(only)
    json = json or kept_in(scale, wanted)
    before = os.getloadavg()[0]
    results = tuple(_measured(SECTIONS[letter], scale) for letter in wanted)
    report = Report(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        scale=scale.value,
        machine=machine(),
        load=(round(before, 2), round(os.getloadavg()[0], 2)),
        versions=_versions(),
        sections=results,
    )
    json.parent.mkdir(parents=True, exist_ok=True)
    json.write_text(report.model_dump_json(indent=1) + "\n")
    out.print(
        f"{sum(result.seconds for result in results):.0f} s on {report.machine}; kept in {json.name}", style="dim"
    )


def kept_in(scale: Scale, sections: list[str]) -> Path:
    """Where a run is kept unless asked otherwise: no other than a full one of all sections is the latest."""
    return LATEST if scale is Scale.FULL and sections == list(SECTIONS) else PARTIAL


def _wanted(only: str) -> list[str]:
    letters = [letter.strip() for letter in only.split(",") if letter.strip()] or list(SECTIONS)
    for letter in letters:
        if letter not in SECTIONS:
            raise typer.BadParameter(f"no section {letter!r}; there are {', '.join(SECTIONS)}.", param_hint="--only")
    return letters


def _measured(name: str, scale: Scale) -> Result:
    started = time.monotonic()
    result: Result = import_module(f"bench.{name}").run(scale)
    result = result.model_copy(update={"seconds": round(time.monotonic() - started, 1)})
    out.print(table(result))
    for note in notes(result):
        out.print(f"  {note}", style="dim", highlight=False)
    for goal in result.goals:
        out.print(f"  {goal}", style={True: "green", False: "red", None: "yellow"}[goal.met], highlight=False)
    out.print()
    return result


def machine() -> Machine:
    """This one, without its name."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return Machine(
        cpu=names[0].partition(":")[2].strip() if names else platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_gb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
    )


def _versions() -> dict[str, str]:
    """Of all that takes part and is installed."""
    found = {"sqlite": sqlite3.sqlite_version, **Services.from_environ().versions()}
    for library in dict.fromkeys((*OURS, *(library for other in OTHERS for library in other.libraries))):
        with suppress(PackageNotFoundError):
            found[library] = version(library)
    return found


if __name__ == "__main__":
    typer.run(main)
