"""End a job from outside, before its steps do: because somebody asked for it, or because a bound of it is reached."""

from __future__ import annotations

from sqlalchemy import Connection, update

from mirepoix.ledger.outbox import announce_end
from mirepoix.ledger.tables import Job, Step, now
from mirepoix.states import ErrorKind, JobState, StepState


def cancel_job(connection: Connection, job_id: str) -> bool:
    """Move the job and its open steps to `cancelled`; False when it had ended before. What was spent stays recorded."""
    return _end(connection, job_id, JobState.CANCELLED, None, None)


def stop_job(connection: Connection, job_id: str, kind: ErrorKind, error: str) -> bool:
    """Fail the job for the reason given, and cancel its open steps; False when it had ended before."""
    return _end(connection, job_id, JobState.FAILED, kind, error)


def stop_late_job(connection: Connection, job_id: str) -> bool:
    """Fail a job whose deadline has passed; False when it had ended before."""
    return stop_job(connection, job_id, ErrorKind.DEADLINE, "its deadline passed before it ended.")


def _end(connection: Connection, job_id: str, state: JobState, kind: ErrorKind | None, error: str | None) -> bool:
    moment = now()
    ended = connection.execute(
        update(Job)
        .where(Job.id == job_id, Job.finished_at.is_(None))
        .values(state=state, error_kind=kind, error=error, finished_at=moment, due_at=None)
        .returning(Job.tenant, Job.callback)
    ).one_or_none()
    if ended is None:
        return False
    if ended.callback is not None:
        announce_end(connection, job_id, ended.tenant, ended.callback)
    # Who holds a step goes on holding it until its request has been given up, or its process is found dead.
    connection.execute(
        update(Step)
        .where(Step.job_id == job_id, Step.state.in_([StepState.PENDING, StepState.RUNNING]))
        .values(state=StepState.CANCELLED, finished_at=moment, due_at=None)
    )
    return True
