"""The cost-quality plot and the reliability diagram of a file, as PNG and SVG."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from matplotlib.transforms import Bbox

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
BEHIND = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.5}
PLACES = [
    ((side * (5 if rise == 0 else 3), rise - 3), "left" if side > 0 else "right")
    for rise in (-8, 8, 0, -18, 18, -27, 27, -36)
    for side in (1, -1)
]
"""Where a name may stand, in points from its dot, from the best place to the worst."""


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
    axes.axhline(100 * result.models[result.strong][0], color=GREY, linewidth=0.8)
    axes.set_xlabel("USD for 1,000 questions")
    if any(cost > 0 for _, cost in result.models.values()):
        _logarithmic(axes)
    axes.set_ylabel("answered rightly, %")
    axes.set_title(f"{result.name}: {result.questions['test']} unseen questions", loc="left")
    axes.grid(color="#E5E5E5", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", fontsize=8, frameon=False)
    _name_models(figure, axes, result)
    return figure


def _logarithmic(axes: Any) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def _name_models(figure: Figure, axes: Any, result: FileResult) -> None:
    """A dot and the name of each model, at the first place around the dot where no other name or dot is."""
    points = {model: (1_000 * cost, 100 * quality) for model, (quality, cost) in result.models.items()}
    for point in points.values():
        axes.plot(*point, "o", color=BLACK, markersize=4)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    taken = [Bbox.from_bounds(x - 6, y - 6, 12, 12) for x, y in axes.transData.transform(list(points.values()))]
    for own, (model, point) in enumerate(points.items()):
        label = axes.annotate(model, point, (0, 0), textcoords="offset points", fontsize=7, bbox=BEHIND, zorder=5)
        for label.xyann, align in PLACES:
            label.set_horizontalalignment(align)
            box = label.get_window_extent(canvas.get_renderer())
            if axes.bbox.containsx(box.x1) and not any(
                box.overlaps(other) for n, other in enumerate(taken) if n != own
            ):
                break
        taken.append(box)


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
    assert result.router is not None
    shown = {model: result.router.reliability[model] for model in dict.fromkeys((result.strong, result.cheap))}
    least = min(min(one.predicted, one.right) for bins in shown.values() for one in bins)
    low = 10 * (100 * least // 10)
    axes.plot([low, 100], [low, 100], color=GREY, linewidth=0.8)
    for model, bins in shown.items():
        colour = STYLES["agreement cascade" if model == result.cheap else "learned"][0]
        label = f"{model} (error {100 * result.router.ece[model]:.1f} points)"
        points = [100 * one.predicted for one in bins], [100 * one.right for one in bins]
        axes.plot(*points, "o-", color=colour, markersize=4, label=label)
    axes.set(
        xlim=(low, 101), ylim=(low, 101), xlabel="predicted chance of a right answer, %", ylabel="answered rightly, %"
    )
    axes.set_title(f"{result.name}: can the chances be believed?", loc="left")
    axes.grid(color="#E5E5E5", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    return figure
