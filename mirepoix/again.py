"""What a job that is run again takes over from the one before it, and which job cannot be."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from mirepoix.errors import NotReplayable
from mirepoix.states import Store

LOST = {
    Store.REDACTED: "what was found in its texts has been replaced by marks (store: redacted), "
    "so what it was asked and answered is no longer known",
    Store.NONE: "its texts have been forgotten (store: none)",
}
"""Why a job that has been filed cannot be run again, by what is kept of its texts."""


class Again(BaseModel):
    """The job `job` is run again: routes take its branches (`pins`, by path), and the calls at `steps` its answers."""

    model_config = ConfigDict(frozen=True)

    job: str
    pins: dict[str, str] = {}
    steps: tuple[str, ...] = ()


def why_not_replayable(store: Store, *, filed: bool) -> str | None:
    """Why a job cannot be run again, or None: its texts are as they were. `filed`: what is to become of them has."""
    return LOST.get(store) if filed else None


def require_replayable(job_id: str, store: Store, *, filed: bool) -> None:
    """Raise NotReplayable for a job whose texts are not as they were."""
    reason = why_not_replayable(store, filed=filed)
    if reason is not None:
        raise NotReplayable(job_id, reason)
