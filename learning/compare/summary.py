"""The key rows of a report as Markdown, and in their place in a document: between two markers, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from learning.compare.report import (
    CHOSEN,
    CROSS_FIT,
    CROSS_FIT_COLUMNS,
    cross_fit_row,
    gap,
    mean,
    percent,
    spread,
    sure_leads,
)
from learning.compare.results import FileResult, MethodResult, Promise, Report
from mirepoix.errors import InputError

BEGIN, END = "<!-- bench routing -->", "<!-- /bench routing -->"
PAIRS = {
    "learned": "learned, pair",
    "learned elsewhere": "learned elsewhere, pair",
    "tf-idf": "tf-idf, pair",
    "neighbours": "neighbours, pair",
    "similarity-weighted": "similarity-weighted",
    "matrix factorisation": "matrix factorisation",
    "complexity": "complexity",
}
"""Column and method of the table of routers of a pair."""
AMONG_ALL = {
    "routing (learned)": "learned",
    "agreement cascade": "agreement cascade",
    "cascade routing": "cascade routing",
    "vote of three": "vote of three",
    "oracle": "oracle",
}
CHECKED = ("learned", "agreement cascade", "cascade routing")
PROMISED = [(method, target) for method in CHECKED for target in ("0.99", "0.98")]
"""Method and target of the promises."""
NOTHING = "-"


def as_markdown(report: Report) -> str:
    """Routers of a pair, on the other half and in folds; what was saved at 99 % among all; promises and the routers."""
    tools = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    told = f"{report.split}; seed {report.seed}, {report.resamples:,} resamples, {report.splits} splits; {tools}."
    promised = [f"{method}, {target}" for method, target in PROMISED]
    tables = {
        "Routers of a pair: APGR (0.5 by lot)": _table(
            ["file", "questions", "cheap and strong model", *PAIRS], map(_pair_row, report.files)
        ),
        CROSS_FIT: (
            _table(CROSS_FIT_COLUMNS, map(cross_fit_row, report.cross_fits)) + f"\n\n{sure_leads(report.cross_fits)}"
        ),
        "Set on the learning half for 99 % of the strong model's quality: cost saved / quality reached, in % of its": (
            _table(["file", "models, strong one", *AMONG_ALL], map(_saved_row, report.files))
        ),
        "Splits in which a promised quality was met within a point (cost saved on average); the router itself": (
            _table(["file", *promised, "MB", "p50 ms", "calibration error"], map(_promise_row, report.files))
        ),
    }
    parts = [f"**{title}**\n\n{table}" for title, table in tables.items()]
    return "\n\n".join([f"*{told}*", *parts, *(f"Not compared: {one.why}" for one in report.skipped)])


def around_markers(path: Path) -> tuple[str, str]:
    """What stands before and behind the markers in the document at `path`; raises InputError where they are not."""
    try:
        before, rest = path.read_text(encoding="utf-8").split(BEGIN)
        _, after = rest.split(END)
    except ValueError as error:
        raise InputError(f"{path}: needs one {BEGIN} and one {END} behind it, to write the tables between.") from error
    return before, after


def write_into(path: Path, report: Report) -> None:
    """Replace what stands between the markers of the document at `path`."""
    before, after = around_markers(path)
    path.write_text(f"{before}{BEGIN}\n{as_markdown(report)}\n{END}{after}", encoding="utf-8")


def _table(columns: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _pair_row(result: FileResult) -> list[str]:
    methods = _methods(result)
    apgr = [methods[name].apgr if name in methods else (None, None, None) for name in PAIRS.values()]
    return [
        result.name,
        f"{result.questions['test']:,}",
        f"{result.cheap}, {result.strong}",
        *map(gap, apgr),
    ]


def _saved_row(result: FileResult) -> list[str]:
    return [
        result.name,
        f"{len(result.models)}, {result.strong}",
        *(_saved(_methods(result).get(name)) for name in AMONG_ALL.values()),
    ]


def _saved(method: MethodResult | None) -> str:
    if method is None or CHOSEN not in method.reached:
        return NOTHING
    reached = method.reached[CHOSEN]
    return f"{spread(reached.saved)} / {spread(reached.relative, 1)}"


def _promise_row(result: FileResult) -> list[str]:
    promises = {(one.method, f"{one.target:g}"): one for one in result.promises}
    router = result.router
    facts = (
        [NOTHING] * 3
        if router is None
        else [f"{router.bytes / 1e6:.2f}", f"{router.p50_ms:.2f}", f"{mean(router.ece.values()):.3f}"]
    )
    return [result.name, *(_kept(promises.get(key)) for key in PROMISED), *facts]


def _kept(promise: Promise | None) -> str:
    return NOTHING if promise is None else f"{promise.met} of {promise.splits} ({percent(mean(promise.saved))})"


def _methods(result: FileResult) -> Mapping[str, MethodResult]:
    return {method.method: method for method in result.methods}
