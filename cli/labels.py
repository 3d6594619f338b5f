"""Labels: what is known of the answers of jobs, a JSON object a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
    return dict(_read(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip())


def _read(line: str, where: str) -> tuple[str, Label]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON: {error}.") from error
    if not isinstance(value, dict) or not isinstance(value.get("job"), str):
        raise InputError(f"{where}: a line is an object with a job.")
    return value["job"], as_label(value, where)
