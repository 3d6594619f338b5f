"""`python -m bench.report`: write the tables of docs/performance.md, and its plots, from what the latest runs kept."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Annotated, Any

import matplotlib as mpl
import typer
from matplotlib.figure import Figure as Canvas

from bench.memory import KEPT as MEMORY
from bench.result import Report, Result, Row, cells, notes, shown
from bench.run import LATEST

BEGIN, END = "<!-- bench -->", "<!-- /bench -->"
ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "performance.md"
IMAGES = ROOT / "docs" / "images"
COLORS = ("#4c78a8", "#f58518", "#54a24b", "#e45756", "#b279a2", "#9d755d")
REPEATABLE: dict[Any, Any] = {"svg.hashsalt": "bench", "svg.fonttype": "none", "font.family": "sans-serif"}
"""So that the same figures make the same file."""


def main(
    latest: Annotated[Path, typer.Option("--json", help="What `python -m bench.run` kept.")] = LATEST,
    memory: Annotated[Path, typer.Option(help="What `python -m bench.memory` kept, if it did.")] = MEMORY,
    into: Annotated[Path, typer.Option(help="The document.")] = DOCUMENT,
    images: Annotated[Path, typer.Option(help="The folder for plots.")] = IMAGES,
) -> None:
    """Write both; raises ValueError where the document has no markers."""
    report = Report.model_validate_json(latest.read_text())
    if memory.exists():
        flat = Result.model_validate_json(memory.read_text())
        report = report.model_copy(update={"sections": (*report.sections, flat)})
    before, after = _around(into)
    for result in report.sections:
        plot(result, images / f"performance-{result.section}.svg")
    into.write_text(f"{before}{BEGIN}\n{markdown(report)}\n{END}{after}")


def markdown(report: Report) -> str:
    """Where and when it was measured, then a table, goals and plot of each section."""
    machine = report.machine
    versions = ", ".join(f"{name} {number}" for name, number in report.versions.items())
    told = (
        f"*{report.date}, {report.scale}: {machine.cores} cores of {machine.cpu}, {machine.memory_gb:g} GB, "
        f"{machine.system}, Python {machine.python}; load {report.load[0]:g} before and {report.load[1]:g} after. "
        f"{versions}.*"
    )
    return "\n\n".join([told, *(part for result in report.sections for part in _section(result))])


def _section(result: Result) -> Iterator[str]:
    yield f"### {result.section}. {result.title}"
    heads = ["", *(f"{name}, {unit}" for name, unit in result.columns)]
    rows = [heads, ["---", *("---:" for _ in result.columns)]]
    rows += [[row.name, *cells(result, row)] for row in result.rows if row.figures]
    yield "\n".join(f"| {' | '.join(row)} |" for row in rows)
    if said := notes(result):
        yield "\n".join(f"- {note}" for note in said)
    if result.goals:
        yield "\n".join(f"- {goal}" for goal in result.goals)
    yield f"![{result.title}](images/performance-{result.section}.svg)"


def plot(result: Result, file: Path) -> None:
    """Lines where the result has series, else a bar for each row."""
    with mpl.rc_context(REPEATABLE):
        canvas = Canvas(figsize=(9, 4.5), layout="constrained")
        axes = canvas.subplots()
        if result.series:
            _lines(axes, result)
        else:
            _bars(axes, result)
        axes.set_title(f"{result.section}. {result.title}", loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        file.parent.mkdir(parents=True, exist_ok=True)
        canvas.savefig(file, format="svg", metadata={"Date": None})


def _lines(axes: Any, result: Result) -> None:
    for (name, points), color in zip(result.series.items(), cycle(COLORS), strict=False):
        axes.plot(*zip(*points, strict=True), label=name, color=color)
    axes.set(xlabel=result.axes[0], ylabel=result.axes[1])
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)


def _bars(axes: Any, result: Result) -> None:
    """Stacked where several figures make one bar; rows without any of them are left out."""
    names = result.bars or tuple(name for name, _ in result.columns[:1])
    rows = [row for row in result.rows if any(figure.name in names for figure in row.figures)]
    left = [0.0] * len(rows)
    for name, color in zip(names, cycle(COLORS), strict=False):
        widths = [_median(row, name) for row in rows]
        axes.barh(range(len(rows)), widths, left=left, color=color, label=name)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    for place, total in enumerate(left):
        axes.text(total, place, f" {shown(total)}", va="center", fontsize=8)
    axes.set_yticks(range(len(rows)), [row.name for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel(next((unit for name, unit in result.columns if name in names), ""))
    if len(names) > 1:
        axes.legend(frameon=False, fontsize=8)


def _median(row: Row, name: str) -> float:
    return next((figure.median for figure in row.figures if figure.name == name), 0.0)


def _around(document: Path) -> tuple[str, str]:
    text = document.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{document.name} needs one {BEGIN} and one {END}, between which the figures go.")
    return text.partition(BEGIN)[0], text.partition(END)[2]


if __name__ == "__main__":
    typer.run(main)
