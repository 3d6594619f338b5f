"""What a section found: rows of figures, and its goals with what was reached; one form for all, also as JSON."""

from __future__ import annotations

import operator
from statistics import median
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from rich.table import Table


class Frozen(BaseModel):
    """Data that does not change and has no other fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Figure(Frozen):
    """A quantity, measured once in each round."""

    name: str
    unit: str
    values: tuple[float, ...] = Field(min_length=1)

    @property
    def median(self) -> float:
        """The middle of the rounds."""
        return median(self.values)


class Row(Frozen):
    """What was measured of one contestant, or at one size. `note` says why figures are missing, or what to know."""

    name: str
    figures: tuple[Figure, ...] = ()
    note: str = ""

    def median(self, figure: str) -> float:
        """The median of the figure of that name; raises KeyError."""
        return self.figure(figure).median

    def figure(self, name: str) -> Figure:
        """The figure of that name; raises KeyError."""
        for figure in self.figures:
            if figure.name == name:
                return figure
        raise KeyError(f"{self.name} has no figure {name!r}")


class Goal(Frozen):
    """A bound on a figure, mostly a ratio of two: `value` is what it is, None where it could not be measured."""

    text: str
    value: float | None
    bound: float
    must_be: Literal["at most", "at least"] = "at most"
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether it is reached; None where that is not known."""
        compare = operator.le if self.must_be == "at most" else operator.ge
        return None if self.value is None else compare(self.value, self.bound)

    def __str__(self) -> str:
        word = {True: "met", False: "NOT MET", None: "not measured"}[self.met]
        value = "-" if self.value is None else f"{self.value:.2f}"
        note = f" ({self.note})" if self.note else ""
        return f"{self.text}: {value}, goal {self.must_be} {self.bound:g}: {word}{note}"


class Result(Frozen):
    """One section of the benchmark.

    For its plot: `series` are lines, points of each name, and `axes` what stands at their axes; or `bars` are the
    figures whose medians stand one after the other in each row's bar (left out: the first figure).
    """

    section: str
    title: str
    rows: tuple[Row, ...]
    goals: tuple[Goal, ...] = ()
    series: dict[str, tuple[tuple[float, float], ...]] = {}
    axes: tuple[str, str] = ("", "")
    bars: tuple[str, ...] = ()
    seconds: float = 0.0

    def row(self, name: str) -> Row:
        """The row of that name; raises KeyError."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"section {self.section} has no row {name!r}")

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Name and unit of the figures of all rows, in the order of the rows that have most."""
        places: dict[tuple[str, str], int] = {}
        for row in self.rows:
            for place, figure in enumerate(row.figures):
                column = (figure.name, figure.unit)
                places[column] = max(places.get(column, 0), place)
        return sorted(places, key=lambda column: places[column])


class Machine(Frozen):
    """Where it was measured."""

    cpu: str
    cores: int
    memory_gb: float
    system: str
    python: str


class Report(Frozen):
    """All sections of one run. `date` is ISO 8601 in UTC; `load` the machine's load average before and after."""

    date: str
    scale: Literal["quick", "full"]
    machine: Machine
    load: tuple[float, float]
    versions: dict[str, str]
    sections: tuple[Result, ...]


def ratio(above: float | None, below: float | None) -> float | None:
    """The quotient; None where one of them was not measured."""
    return above / below if above is not None and below else None


def table(result: Result) -> Table:
    """The medians: a row for each of the result's that has figures, a column for each figure."""
    shown_in = Table(title=f"{result.section}. {result.title}", title_justify="left")
    shown_in.add_column("", no_wrap=True)
    for name, unit in result.columns:
        shown_in.add_column(f"{name}\n{unit}", justify="right")
    for row in result.rows:
        if row.figures:
            shown_in.add_row(row.name, *cells(result, row))
    return shown_in


def cells(result: Result, row: Row) -> list[str]:
    """The row's median of each of the result's columns; empty where it has none."""
    medians = {figure.name: figure.median for figure in row.figures}
    return [shown(medians[name]) if name in medians else "" for name, _ in result.columns]


def notes(result: Result) -> list[str]:
    """What is to be said of rows: why one has no figures, or what to know of them."""
    return [f"{row.name}: {row.note}" for row in result.rows if row.note]


def shown(value: float) -> str:
    """Three digits that count, with thousands apart."""
    digits = 0 if abs(value) >= 100 or value == 0 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}"
