"""Which rows of the bill a caller wants to see."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from pydantic import AwareDatetime, Field

from mirepoix.strict import Strict


class BillQuery(Strict):
    """The query of `GET /_bill`: its totals or its `rows`, of those rows that fit.

    `tag` is a whole tag, `job` what stands before its first slash (Mirepoix sends `job/path`). `since_seq` leaves out
    the rows up to that number, `since` those received before that moment; `limit` is how many rows are shown.
    """

    rows: bool = False
    tag: str | None = None
    job: str | None = None
    since_seq: int = Field(default=0, ge=0, lt=2**63)
    since: AwareDatetime | None = None
    limit: int = Field(default=-1, ge=1, lt=2**63, description="-1: all")

    def where(self) -> tuple[str, list[Any]]:
        """The condition in SQL, and its values."""
        found: list[tuple[str, list[Any]]] = [("seq > ?", [self.since_seq])]
        if self.tag is not None:
            found.append(("tag = ?", [self.tag]))
        if self.job is not None:
            found.append(("tag >= ? AND tag < ?", [f"{self.job}/", f"{self.job}0"]))  # 0 comes next to the slash
        if self.since is not None:
            found.append(("time >= ?", [self.since.astimezone(UTC).isoformat()]))
        return "WHERE " + " AND ".join(text for text, _ in found), [value for _, values in found for value in values]
