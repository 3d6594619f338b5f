"""Send what one job waits for again, because a person asks for it."""

from __future__ import annotations

from db.events import START, record_events
from db.locks import lock_job
from db.overdue import take_steps_of
from mirepoix.config import Config
from mirepoix.settings import Settings
from mirepoix.states import EventKind, JobState
from tasks.follow import publish_starts, publish_steps
from workers.app import create_app


def drive_job(settings: Settings, config: Config, job_id: str) -> list[str]:
    """Publish the job's start, or all its ready steps; returns their paths. Raises NotFound."""
    app, house = create_app(settings, config)
    with house.database.write() as connection:
        job = lock_job(connection, job_id)
        steps = [] if job.state is not JobState.RUNNING else take_steps_of(connection, job_id)
        driven = [(job_id, sent.step.path) for sent in steps] or [(job_id, START)] * (job.state is JobState.QUEUED)
        record_events(connection, driven, EventKind.DRIVEN, "by hand")
    if job.state is JobState.QUEUED:
        publish_starts(house, [job_id], job.lane)
    publish_steps(house, [sent.step for sent in steps])
    house.database.close()
    app.close()
    return ["start"] if job.state is JobState.QUEUED else [sent.step.path for sent in steps]
