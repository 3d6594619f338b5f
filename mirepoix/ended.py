"""How the steps below a deciding one ended: what routers, gates and reducers decide upon."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import JsonValue

from mirepoix.states import ErrorKind, StepState


@dataclass(frozen=True, slots=True)
class Below:
    """How a step right below a deciding one ended. `finish_reason` and `logprob` are its last answer's, for calls."""

    path: str
    position: int
    state: StepState
    output: JsonValue
    error: str | None
    finish_reason: str | None
    logprob: float | None = None


def blame(path: str, kind: ErrorKind | str | None, error: str | None) -> str:
    """Name the step that failed first, not the containers it brought down."""
    return str(error) if kind == ErrorKind.CHILD else f"step {path!r}: {error}"
