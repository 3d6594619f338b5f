"""Chords whose members the ledger counts.

A chord's body is sent when the last of its members has ended. Celery's result backends count the members in Redis, in
five round trips; here the transaction that records a member's end tells whether a step waited for no other any more.
That is the same moment, costs nothing, and nothing that is counted can vanish.
"""

from __future__ import annotations

from typing import Any

import celery
import structlog
from celery import Celery, Signature, states
from celery.backends.base import DisabledBackend
from kombu.exceptions import OperationalError

log = structlog.get_logger("mirepoix")


def last_has_ended() -> None:
    """Say that the task of this thread ended the last step that another one waited for, which its canvas leads to."""
    request = getattr(celery.current_task, "request", None)
    if request is not None:
        request.ended_last = True


class LedgerChords(DisabledBackend):
    """A result backend that stores no results and sends the bodies of chords."""

    app: Celery

    def ensure_chords_allowed(self) -> None:
        """They are."""

    def apply_chord(self, *args: Any, **options: Any) -> None:
        """Nothing is to be prepared."""

    def set_chord_size(self, *args: Any) -> None:
        """The ledger knows it."""

    def on_chord_part_return(self, request: Any, state: str, result: Any, **options: Any) -> None:
        """Send the body behind the last member; where a member failed, the ledger leads on."""
        if not getattr(request, "ended_last", False):
            return
        try:
            Signature.from_dict(request.chord, app=self.app).apply_async()
        except (OperationalError, OSError) as error:
            log.warning("the broker does not take what follows; the reconciler will send it", reason=str(error))

    def get_state(self, task_id: str) -> str:
        """Celery asks for it when a chain in a chord fails."""
        return str(states.PENDING)
