"""What a route is asked about: the query, how long it is, and what in it must not leave the house."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from pydantic import JsonValue

from mirepoix.config import Config
from pipelines.privacy import count, scan
from pipelines.templates import as_text

ASCII_A_TOKEN = 4
"""Characters of English prose a token; of other scripts each character counts as one."""


@dataclass(frozen=True)
class Query:
    """`text` as the calls below will see it; `task` is what the producer says it is; `files` how many go with it.

    `count_in` counts what in a text must not leave the house, for who has counted before; None: by looking.
    """

    text: str
    config: Config
    task: str | None = None
    files: int = 0
    count_in: Callable[[str], dict[str, int]] | None = None

    @cached_property
    def tokens(self) -> int:
        """About how many tokens the text has."""
        return estimate(self.text)

    @cached_property
    def sensitive(self) -> dict[str, int]:
        """What was found that must not leave the house: how many of each kind, and files where they count."""
        privacy = self.config.privacy
        looked_for = privacy.looked_for
        found = count(scan(self.text, looked_for)) if self.count_in is None else dict(self.count_in(self.text))
        if self.files and privacy.sensitive == "local" and privacy.files == "local":
            found["file"] = self.files
        return found


def as_query(
    value: JsonValue,
    config: Config,
    task: str | None = None,
    count_in: Callable[[str], dict[str, int]] | None = None,
) -> Query:
    """What a route makes of what it sees: text as it is; of `{text, files}` the text; of other values their JSON."""
    match value:
        case {"text": str() as text, "files": list() as files}:
            return Query(text, config, task, len(files), count_in)
    return Query(as_text(value), config, task, count_in=count_in)


def estimate(text: str) -> int:
    """About how many tokens `text` has."""
    plain = len(text.encode("ascii", "ignore"))
    return -(-plain // ASCII_A_TOKEN) + len(text) - plain
