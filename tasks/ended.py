"""When a job has ended: wake whoever waits for it, and tell those who measure."""

from __future__ import annotations

import structlog

from db.spans import read_ended_job, read_ended_steps
from mirepoix.errors import LedgerError
from mirepoix.wake import announce
from tasks.house import House

log = structlog.get_logger("mirepoix")


def tell_end(house: House, job_id: str) -> None:
    """To be called once, by the process that ended the job. What cannot be told is not missed."""
    announce(house.redis, job_id)
    if not house.measures:
        return
    try:
        with house.database.read() as connection:
            job = read_ended_job(connection, job_id)
            steps = read_ended_steps(connection, job_id) if job and house.spans.wants(job) else None
    except LedgerError as error:
        log.warning("the end of a job could not be told to who measures", job=job_id, reason=str(error))
        return
    if job is not None:
        house.meters.job_ended(job)
    if job is not None and steps is not None:
        house.spans.tell(job, steps)
