"""Files that hold a JSON object a line, all of one form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from mirepoix.errors import ConfigError

M = TypeVar("M", bound=BaseModel)


def read_lines(form: type[M], lines: Iterable[str], path: Path) -> Iterator[M]:
    """The `lines` of the file at `path`; blank ones are passed over. Raises ConfigError that names the line."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield form.model_validate_json(line)
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(map(str, problem["loc"]))
            raise ConfigError(f"{path}:{number}: {where + ': ' if where else ''}{problem['msg']}.") from error
