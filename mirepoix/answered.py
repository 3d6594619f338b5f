"""What is handed from the ledger to pure thinking on jobs that have ended."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AnsweredStep:
    """A step that ended with an answer, which is known by its hash."""

    path: str
    parent: str | None
    kind: str
    position: int
    output_hash: str
