"""After a step's end is written down: publish what no canvas leads to, and wake whoever waits for the job."""

from __future__ import annotations

from collections.abc import Iterable

from db.answers import Progress
from mirepoix.planned import ReadyStep
from mirepoix.wake import announce
from pipelines.canvas import step_signature
from tasks.house import House


def follow(house: House, job_id: str, progress: Progress) -> None:
    """Carry out the consequences of a recorded end. A message lost here is found by the reconciler."""
    publish_steps(house, progress.to_drive)
    if progress.job_ended:
        announce(house.redis, job_id)


def publish_steps(house: House, steps: Iterable[ReadyStep]) -> None:
    """Send single steps to their queues."""
    for step in steps:
        step_signature(house.app, step).apply_async()
