"""The canvas of the task at hand: what Celery does when it ends.

A task may do the next one's work as well. It then stands in that one's place: what follows that one follows it.
"""

from __future__ import annotations

from typing import Any

import celery

from mirepoix.planned import ReadyStep


def step_into(step: ReadyStep) -> bool:
    """Let the task of this thread stand for the task of `step`, if that is what its canvas leads to.

    That is the next one of its chain, or, behind the last of a chain, the body of the chord that it is a member of.
    """
    request = _request()
    if request is None:
        return False
    after = request.chain[-1] if request.chain else request.chord
    if not after or list(after["args"]) != [step.job_id, step.path]:
        return False
    options = after["options"]
    request.update(
        chain=request.chain[:-1] if request.chain else options.get("chain"),
        chord=options.get("chord"),
        group=options.get("group_id"),
        group_index=options.get("group_index"),
    )
    return True


def lead_nowhere() -> None:
    """Let nothing follow the task of this thread: the ledger leads on."""
    request = _request()
    if request is not None:
        request.update(chain=None, callbacks=None, chord=None)


def _request() -> Any:
    return getattr(celery.current_task, "request", None)
