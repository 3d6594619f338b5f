"""End a job because somebody asked for it."""

from __future__ import annotations

from sqlalchemy import Connection, update

from mirepoix.ledger.tables import Job, Step, now
from mirepoix.states import JobState, StepState


def cancel_job(connection: Connection, job_id: str) -> bool:
    """Move the job and its open steps to `cancelled`; False when it had ended before. What was spent stays recorded."""
    ended = connection.execute(
        update(Job)
        .where(Job.id == job_id, Job.state.in_([JobState.QUEUED, JobState.RUNNING]))
        .values(state=JobState.CANCELLED, finished_at=now(), due_at=None)
    )
    if ended.rowcount == 0:
        return False
    connection.execute(
        update(Step)
        .where(Step.job_id == job_id, Step.state.in_([StepState.PENDING, StepState.RUNNING]))
        .values(state=StepState.CANCELLED, finished_at=now(), due_at=None)
    )
    return True
