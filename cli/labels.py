"""Labels: what is known of the answers of jobs, a JSON object a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cli.jsonl import read_lines
from mirepoix.errors import InputError
from pipelines.labelled import Label


def as_label(value: dict[str, Any], where: str) -> Label:
    """The label in `expected`, `right` or `score`; raises InputError that names `where`."""
    if "expected" in value:
        expected = value["expected"]
        return Label(expected=tuple(expected) if isinstance(expected, list) else (expected,))
    quality = value.get("right", value.get("score"))
    if not isinstance(quality, (bool, int, float)) or not 0 <= quality <= 1:
        raise InputError(f"{where}: a line needs expected, right (true or false) or score (0 to 1).")
    return Label(quality=float(quality))


def read_labels(path: Path) -> dict[str, Label]:
    """The labels of jobs, by their ids; raises InputError that names the line."""
    return dict(_read(value, where) for where, value in read_lines(path))


def _read(value: Any, where: str) -> tuple[str, Label]:
    if not isinstance(value, dict) or not isinstance(value.get("job"), str):
        raise InputError(f"{where}: a line is an object with a job.")
    return value["job"], as_label(value, where)
