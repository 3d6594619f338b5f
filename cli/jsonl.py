"""Files that hold a JSON text a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mirepoix.errors import InputError


def read_lines(path: Path) -> Iterator[tuple[str, Any]]:
    """Where each line stands (`path:number`), and what it says; blank ones are passed over. Raises InputError."""
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield (where := f"{path}:{number}"), _parse(line, where)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error


def _parse(line: str, where: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON: {error}.") from error
