"""What is handed between thinking about a pipeline and writing its steps into the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from mirepoix.states import Lane


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step to be written. `missing` counts the steps it waits for, `feeds` are the paths that wait for it.

    `driven`: no canvas leads to it, so whoever makes it ready publishes it.
    """

    path: str
    kind: str
    parent: str | None
    position: int
    missing: int
    feeds: tuple[str, ...] = ()
    model: str | None = None
    driven: bool = False


@dataclass(frozen=True, slots=True)
class ReadyStep:
    """A step of a job whose time has come: its task is `kind`, its queue that of `provider`, or the orchestrators'."""

    job_id: str
    path: str
    kind: str
    lane: Lane
    provider: str | None = None
    model: str | None = None
