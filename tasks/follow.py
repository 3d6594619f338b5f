"""After a step's end is written down: publish what no canvas leads to, and wake whoever waits for the job."""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from kombu.exceptions import OperationalError

from db.answers import Progress
from db.lanes import fill_fast_lane
from mirepoix.planned import ReadyStep
from mirepoix.queues import in_messages
from mirepoix.states import Lane
from pipelines.canvas import start_signature, step_signature
from tasks.chords import last_has_ended
from tasks.ended import tell_end
from tasks.house import House
from tasks.sending import send

log = structlog.get_logger("mirepoix")


def follow(house: House, job_id: str, progress: Progress) -> None:
    """Carry out the consequences of a recorded end. A message lost here is found by the reconciler."""
    if progress.led_on:
        last_has_ended()
    try:
        publish_steps(house, progress.to_drive)
        if progress.frees_fast_lane_of is not None:
            promote(house, progress.frees_fast_lane_of)
    except (OperationalError, OSError) as error:
        log.warning("the broker does not take what follows; the reconciler will send it", job=job_id, reason=str(error))
    if progress.job_ended:
        tell_end(house, job_id)


def publish_steps(house: House, steps: Iterable[ReadyStep]) -> None:
    """Send single steps to their queues."""
    send(house.app, [step_signature(house.app, step) for step in steps])


def publish_starts(house: House, job_ids: list[str], lane: Lane) -> None:
    """Send jobs to the orchestrators to be started."""
    send(house.app, [start_signature(house.app, together, lane) for together in in_messages(job_ids)])


def promote(house: House, tenant: str) -> None:
    """Move jobs of `tenant` that wait for others to the fast lane as far as there is room, and send them there."""
    with house.database.write() as connection:
        promotion = fill_fast_lane(connection, tenant)
    publish_starts(house, promotion.starts, Lane.FAST)
    publish_steps(house, promotion.steps)
