"""The cost-quality plot and the reliability diagram of a file, as PNG and SVG."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from learning.compare.results import FileResult, MethodResult

mpl.rcParams["svg.hashsalt"] = "mirepoix"  # the same figures give the same file

BLACK, GREY = "#000000", "#767676"
STYLES = {
    "learned": ("#0072B2", "-", 2.4),
    "learned, pair": ("#0072B2", "--", 1.4),
    "learned elsewhere": ("#56B4E9", "-", 1.4),
    "agreement cascade": ("#D55E00", "-", 2.4),
    "cascade routing": ("#CC79A7", "-", 2.4),
    "vote of three": ("#E69F00", ":", 2.0),
    "tf-idf": ("#009E73", "-", 1.4),
    "neighbours": ("#009E73", "--", 1.4),
    "matrix factorisation": ("#009E73", "-.", 1.4),
    "complexity": ("#8B6F00", "-.", 1.4),
    "random mix": (GREY, ":", 1.4),
    "oracle": (BLACK, "-", 1.0),
}
"""Colour, line and width of a method: the colours of Okabe and Ito (2008), which all eyes tell apart."""
SUFFIXES = ("png", "svg")


def write_plots(folder: Path, result: FileResult) -> list[Path]:
    """Write both plots of a file to `folder`, which is made if need be; the paths of what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = {"cost-quality": _cost_quality(result)}
    if result.router is not None:
        figures["reliability"] = _reliability(result)
    return [path for kind, figure in figures.items() for path in _write(folder / f"{result.name}-{kind}", figure)]


def _write(stem: Path, figure: Figure) -> Iterator[Path]:
    for suffix in SUFFIXES:
        path = stem.with_name(f"{stem.name}.{suffix}")
        figure.savefig(path, dpi=144, facecolor="white", metadata={"Date": None} if suffix == "svg" else None)
        yield path


def _cost_quality(result: FileResult) -> Figure:
    figure = Figure(figsize=(9, 5.6), layout="constrained")
    axes = figure.subplots()
    for method in result.methods:
        if method.method in STYLES:
            _draw(axes, method)
    for model, (quality, cost) in result.models.items():
        axes.plot(1_000 * cost, 100 * quality, "o", color=BLACK, markersize=4)
        axes.annotate(model, (1_000 * cost, 100 * quality), (4, -9), textcoords="offset points", fontsize=7)
    axes.axhline(100 * result.models[result.strong][0], color=GREY, linewidth=0.8)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("USD for 1,000 questions (logarithmic)")
    axes.set_ylabel("answered rightly, %")
    axes.set_title(f"{result.name}: {result.questions['test']} unseen questions", loc="left")
    axes.grid(color="#E5E5E5", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", fontsize=8, frameon=False)
    return figure


def _draw(axes: Any, method: MethodResult) -> None:
    colour, line, width = STYLES[method.method]
    best = _frontier(method.curve)
    axes.plot(
        [1_000 * cost for cost, _ in best],
        [100 * quality for _, quality in best],
        line,
        color=colour,
        linewidth=width,
        drawstyle="steps-post",
        marker="." if len(best) < 20 else None,
        label=method.method,
    )


def _frontier(curve: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The settings that no cheaper one equals."""
    best: list[tuple[float, float]] = []
    for cost, quality in curve:
        if not best or quality > best[-1][1]:
            best.append((cost, quality))
    return best


def _reliability(result: FileResult) -> Figure:
    figure = Figure(figsize=(6, 5.6), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 100], [0, 100], color=GREY, linewidth=0.8)
    assert result.router is not None
    for model in dict.fromkeys((result.strong, result.cheap)):
        bins = result.router.reliability[model]
        colour = STYLES["agreement cascade" if model == result.cheap else "learned"][0]
        label = f"{model} (error {100 * result.router.ece[model]:.1f} points)"
        points = [100 * one.predicted for one in bins], [100 * one.right for one in bins]
        axes.plot(*points, "o-", color=colour, markersize=4, label=label)
    axes.set(xlim=(0, 100), ylim=(0, 100), xlabel="predicted chance of a right answer, %", ylabel="answered rightly, %")
    axes.set_title(f"{result.name}: can the chances be believed?", loc="left")
    axes.grid(color="#E5E5E5", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    return figure
