"""Begin a job: check its pipeline, write its steps, send its canvas."""

from __future__ import annotations

from celery import Signature
from sqlalchemy import Connection

from db.answers import fail_job
from db.steps import add_steps, begin_job, read_version
from mirepoix.errors import PipelineError
from mirepoix.paths import find, root
from mirepoix.spec import Pipeline
from mirepoix.states import ErrorKind
from mirepoix.wake import announce
from pipelines.check import check_pipeline
from pipelines.plan import plan
from tasks.house import House


def start_job(house: House, job_id: str) -> None:
    """Compile the job once; a second delivery finds it begun and does nothing."""
    with house.database.write() as connection:
        job = begin_job(connection, job_id)
        if job is None:
            return
        spec = house.spec(connection, job.version)
        planned = _plan_steps(house, connection, job_id, job.pipeline, spec)
    if planned:
        house.canvas(job_id).of(root(spec)).apply_async()
    else:
        announce(house.redis, job_id)


def continue_chain(house: House, job_id: str, path: str, index: int) -> Signature[object]:
    """The canvas of the chain at `path` from its step `index` on."""
    with house.database.read() as connection:
        spec = house.spec(connection, read_version(connection, job_id))
    return house.canvas(job_id).chain_from(find(spec, path), index)


def _plan_steps(house: House, connection: Connection, job_id: str, name: str, spec: Pipeline) -> bool:
    """Write the job's steps; False when it failed instead, its pipeline having a mistake."""
    try:
        check_pipeline(name, spec, house.config)
    except PipelineError as error:
        fail_job(connection, job_id, ErrorKind.PIPELINE, str(error))
        return False
    add_steps(connection, job_id, plan(root(spec)), house.providers)
    return True
