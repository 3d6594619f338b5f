"""Messages of good form about jobs that the ledger does not have: they end with one line in the log."""

from __future__ import annotations

from typing import Any

import structlog
from celery import Celery, Task, signals

from mirepoix.errors import NotFound

log = structlog.get_logger("mirepoix")


def expect_unknown_jobs(app: Celery) -> None:
    """Such a message comes of a ledger that was restored or exchanged, or of nonsense; it is no fault of the worker's.

    Celery would log a traceback for each.
    """
    for name, task in app.tasks.items():
        if not name.startswith("celery."):
            task.throws = (*task.throws, NotFound)
            signals.task_failure.connect(_tell, sender=task, weak=False)


def _tell(sender: Task[Any, Any], exception: BaseException, args: list[Any], **_: Any) -> None:
    if isinstance(exception, NotFound):
        log.warning("a message names what the ledger does not have", task=sender.name, job=args[0])
