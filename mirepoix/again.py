"""What a job that is run again takes over from the one before it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Again(BaseModel):
    """The job `job` is run again: routes take its branches (`pins`, by path), and the calls at `steps` its answers."""

    model_config = ConfigDict(frozen=True)

    job: str
    pins: dict[str, str] = {}
    steps: tuple[str, ...] = ()
