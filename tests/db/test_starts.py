"""Jobs begin together, each once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from db.starts import begin_jobs, unknown_jobs
from mirepoix import Call
from mirepoix.ledger.accept import Submission, accept_jobs
from mirepoix.ledger.ending import cancel_job
from mirepoix.ledger.engine import Database
from mirepoix.ledger.read import read_states
from mirepoix.states import JobState

NOBODY = "01M8PSGFX9ZR74TNWTK4V75KNX"


def accept(database: Database, count: int) -> list[str]:
    with database.write() as connection:
        accepted = accept_jobs(connection, "test", Call(model="mini"), [Submission("input")] * count)
    return [job.job_id for job in accepted]


def begin(database: Database, job_ids: list[str]) -> list[str]:
    with database.write() as connection:
        return [job.id for job in begin_jobs(connection, job_ids)]


def test_jobs_begin_in_order_and_what_was_begun_or_cancelled_before_is_left_alone(database: Database) -> None:
    first, second, cancelled, fourth = accept(database, 4)
    assert begin(database, [second]) == [second]
    with database.write() as connection:
        cancel_job(connection, cancelled)
    assert begin(database, [fourth, cancelled, second, first, NOBODY]) == [first, fourth]
    with database.read() as connection:
        states = read_states(connection, [first, second, cancelled, fourth])
        assert unknown_jobs(connection, [first, NOBODY]) == {NOBODY}
    assert states == dict.fromkeys((first, second, fourth), JobState.RUNNING) | {cancelled: JobState.CANCELLED}


def test_of_many_deliveries_at_once_one_begins_each_job(database: Database) -> None:
    jobs = accept(database, 12)
    orders = [jobs, jobs[::-1], jobs[6:] + jobs[:6], jobs[::2] + jobs[1::2]] * 4
    with ThreadPoolExecutor(8) as pool:
        begun = [job for some in pool.map(lambda order: begin(database, order), orders) for job in some]
    assert sorted(begun) == sorted(jobs)
