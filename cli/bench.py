"""`mirepoix bench`: measure on recorded outcomes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from cli import screen
from cli.screen import Json
from mirepoix.errors import ConfigError

if TYPE_CHECKING:
    from learning.compare.results import Report

app = typer.Typer(help="Measure on recorded outcomes.", no_args_is_help=True)

QUICK_QUESTIONS = 200
FILES = ("--data", "--train", "--heldout")


def add_to(parent: typer.Typer) -> None:
    """Add the commands of this module."""
    parent.add_typer(app, name="bench")


class ManyFiles(TyperCommand):
    """Options of files take as many as follow: `--data a b c` is `--data a --data b --data c`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the option before each further file."""
        option, told = "", list[str]()
        for word in args:
            if word.startswith("-"):
                option = word if word in FILES else ""
                told += [word] if not option else []
            else:
                told += [option, word] if option else [word]
        return super().parse_args(ctx, told)


def file(help: str) -> Any:
    """An option that names a file which is there."""
    return typer.Option(exists=True, dir_okay=False, help=help)


@app.command(cls=ManyFiles)
def routing(
    data: Annotated[list[Path], file("Recorded outcomes, JSON lines, gzip or not; give it repeatedly.")],
    train: Annotated[list[Path] | None, file("More to learn from, which is not reported on.")] = None,
    heldout: Annotated[list[Path] | None, file("Report on these only, and learn from all of the data.")] = None,
    prices: Annotated[Path | None, file("USD per token and model; default: prices.json beside a file.")] = None,
    plots: Annotated[
        Path | None, typer.Option(file_okay=False, help="Write a cost-quality plot and a reliability diagram here.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the key rows as Markdown.")] = False,
    into: Annotated[Path | None, file("Write the key rows into this document, between its markers.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Of 200 questions a file, with few resamples: to see that it runs.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of resamples, folds and random splits.")] = 1,
    json: Json = False,
) -> None:
    """Compare ways to choose a model: cost, quality, APGR, CPT and savings of each, with 95 % intervals.

    Each file is split in two by its questions' ids; what is learned or chosen on one half is reported on the other.
    """
    try:
        from learning.compare.benchmark import QUICK, Effort, report_on
        from learning.compare.plan import HELD_OUT, SPLIT, plan
        from learning.compare.plots import write_plots
        from learning.compare.summary import around_markers, write_into
    except ModuleNotFoundError as error:
        raise ConfigError(f"bench routing needs {error.name}: pip install 'mirepoix[train]'.") from error

    if into is not None:
        around_markers(into)
    planned = plan(data, train or [], heldout or [], prices, seed, QUICK_QUESTIONS if quick else None)
    for one in planned.skipped:
        screen.err.print(f"not compared: {one.why}", markup=False)
    split, effort = HELD_OUT if heldout else SPLIT, QUICK if quick else Effort()
    report = report_on(planned, effort, split, seed, lambda done: screen.err.print(done, markup=False))
    written = [path for result in report.files for path in write_plots(plots, result)] if plots else []
    if into is not None:
        write_into(into, report)
        written.append(into)
    _print(report, json=json, markdown=markdown)
    for path in written:
        screen.err.print(f"wrote {path}", markup=False)


def _print(report: Report, *, json: bool, markdown: bool) -> None:
    from learning.compare import report as told
    from learning.compare.summary import as_markdown

    if json:
        screen.print_json(told.as_json(report))
    elif markdown:
        screen.out.print(as_markdown(report), markup=False, highlight=False)
    else:
        for result in report.files:
            screen.print_table(told.COLUMNS, list(told.rows(result)), title=told.heading(result))
            for note in told.footnotes(result):
                screen.out.print(f"  {note}", markup=False, highlight=False)
        compared = [told.cross_fit_row(one) for one in report.cross_fits]
        screen.print_table(told.CROSS_FIT_COLUMNS, compared, title=told.CROSS_FIT)
        screen.out.print(told.sure_leads(report.cross_fits), markup=False, highlight=False)
        screen.out.print(told.LEGEND, markup=False, highlight=False)
