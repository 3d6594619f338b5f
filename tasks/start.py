"""Begin jobs: check their pipeline, write their steps, send their canvas.

A route at the root of a pipeline decides at once, in the same transaction: that saves it a message and a claim of its
own (bench/README.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from celery import Signature
from sqlalchemy import Connection

from db.answers import fail_job
from db.starts import BegunJob, begin_jobs, unknown_jobs
from db.steps import add_steps, read_version
from mirepoix.errors import PipelineError
from mirepoix.paths import Place, find
from mirepoix.spec import Route
from mirepoix.states import ErrorKind
from tasks.choose import choose_route
from tasks.compiled import Compiled
from tasks.decide import Ended, Outcome, decide_within
from tasks.ended import tell_end
from tasks.follow import follow
from tasks.house import House
from tasks.memory import NotLookedInto
from tasks.sending import send

log = structlog.get_logger("mirepoix")


def start_jobs(house: House, job_ids: Sequence[str]) -> None:
    """Compile the jobs once, in one transaction, and send them; what a second delivery finds begun it leaves alone."""
    try:
        _start(house, job_ids)
    except NotLookedInto as unseen:
        unseen.look()
        start_jobs(house, job_ids)


def _start(house: House, job_ids: Sequence[str]) -> None:
    planned, failed = list[tuple[BegunJob, Compiled]](), list[BegunJob]()
    with house.database.write() as connection:
        begun = begin_jobs(connection, job_ids)
        for job in begun:
            try:
                planned.append((job, house.compiled(connection, job.pipeline, job.version)))
            except PipelineError as error:
                fail_job(connection, job.id, ErrorKind.PIPELINE, str(error))
                failed.append(job)
        add_steps(connection, [(job, compiled.steps) for job, compiled in planned], house.providers)
        firsts = [_first(house, connection, job, compiled.root) for job, compiled in planned]
        unknown = unknown_jobs(connection, job_ids) if len(begun) < len(job_ids) else set()
    for job_id in sorted(unknown):
        log.warning("a message names what the ledger does not have", job=job_id)
    send(house.app, [first for first in firsts if isinstance(first, Signature)])
    for (job, _), first in zip(planned, firsts, strict=True):
        if isinstance(first, Ended):
            follow(house, job.id, first.progress)
    for job in failed:
        tell_end(house, job.id)


def _first(house: House, connection: Connection, job: BegunJob, root: Place) -> Outcome:
    """The canvas of a job from its beginning, or from behind the route at its root; or how that route ended it."""
    if isinstance(root.node, Route) and (decided := decide_within(connection, house, job.id, root.path, choose_route)):
        return decided[1]
    return house.canvas(job.id, job.lane).of(root)


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
