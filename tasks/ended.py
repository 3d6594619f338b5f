"""When a job has ended: wake whoever waits for it, and tell those who measure."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from db.spans import read_ended_job, read_ended_steps
from mirepoix.errors import LedgerError
from mirepoix.ledger.read import read_states
from mirepoix.states import JobState
from mirepoix.wake import announce
from tasks.house import House

log = structlog.get_logger("mirepoix")


def tell_end(house: House, job_id: str) -> None:
    """To be called once, by the process that ended the job. What cannot be told is not missed."""
    announce(house.redis, job_id)
    _tell_who_measures(house, job_id)


def tell_cancelled(house: House, job_ids: Sequence[str]) -> None:
    """Tell those who measure of those of these jobs that were cancelled: by somebody who is no worker, and told nobody.

    To be called once for a job, when it is filed.
    """
    if not house.measures or not job_ids:
        return
    with house.database.read() as connection:
        states = read_states(connection, job_ids)
    for job_id, state in states.items():
        if state is JobState.CANCELLED:
            _tell_who_measures(house, job_id)


def _tell_who_measures(house: House, job_id: str) -> None:
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
