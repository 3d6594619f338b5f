"""Begin jobs: check their pipeline, write their steps, send their canvas."""

from __future__ import annotations

from dataclasses import dataclass

from celery import Signature
from sqlalchemy import Connection

from db.answers import fail_job
from db.locks import LockedJob
from db.steps import add_steps, begin_job, read_version
from mirepoix.errors import PipelineError
from mirepoix.paths import find, root
from mirepoix.spec import Pipeline
from mirepoix.states import ErrorKind
from pipelines.check import check_pipeline
from pipelines.plan import plan
from tasks.ended import tell_end
from tasks.house import House


@dataclass(frozen=True, slots=True)
class _Begun:
    """A job that has just become running, or, unless `planned`, failed."""

    job: LockedJob
    spec: Pipeline
    planned: bool


def start_job(house: House, job_id: str) -> None:
    """Compile the job once; a second delivery finds it begun and does nothing. Raises NotFound."""
    with house.database.write() as connection:
        job = begin_job(connection, job_id)
        begun = None if job is None else _begin(house, connection, job)
    if begun is None:
        return
    if begun.planned:
        house.canvas(job_id, begun.job.lane).of(root(begun.spec)).apply_async()
    else:
        tell_end(house, job_id)


def fail_start(house: House, job_id: str, reason: str) -> None:
    """End a job whose start breaks."""
    with house.database.write() as connection:
        fail_job(connection, job_id, ErrorKind.INTERNAL, reason)
    tell_end(house, job_id)


def continue_chain(house: House, job_id: str, path: str, index: int) -> Signature[object]:
    """The canvas of the chain at `path` from its step `index` on. Raises NotFound."""
    with house.database.read() as connection:
        version, lane = read_version(connection, job_id)
        spec = house.spec(connection, version)
    return house.canvas(job_id, lane).chain_from(find(spec, path), index)


def _begin(house: House, connection: Connection, job: LockedJob) -> _Begun:
    """Write the job's steps, or that it failed, its pipeline having a mistake."""
    spec = house.spec(connection, job.version)
    try:
        check_pipeline(job.pipeline, spec, house.config)
    except PipelineError as error:
        fail_job(connection, job.id, ErrorKind.PIPELINE, str(error))
        return _Begun(job, spec, planned=False)
    add_steps(connection, job, plan(root(spec)), house.providers)
    return _Begun(job, spec, planned=True)
