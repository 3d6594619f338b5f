"""What nobody moved is found, and taken by exactly one of those who find it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from sqlalchemy import update

from db.overdue import overdue_jobs, overdue_steps, take_overdue_job, take_overdue_step
from mirepoix import Call, Chain
from mirepoix.ledger.accept import Submission, accept_jobs
from mirepoix.ledger.engine import Database
from mirepoix.ledger.tables import Job, Step, now
from tests.db.ledger import begin


def make_overdue(database: Database, table: type[Job | Step]) -> None:
    """Let the time come at which the reconciler wonders."""
    with database.write() as connection:
        long_ago = now() - timedelta(hours=1)
        connection.execute(update(table).where(table.due_at.is_not(None)).values(due_at=long_ago))


def test_an_accepted_job_that_nobody_started_is_taken_by_one(database: Database) -> None:
    with database.write() as connection:
        accept_jobs(connection, "test", Call(model="a"), [Submission("hello")])
    with database.read() as connection:
        assert overdue_jobs(connection, 10) == [], "its message may still be on its way"
    make_overdue(database, Job)
    with database.read() as connection:
        (job,) = overdue_jobs(connection, 10)

    def take(_: int) -> bool:
        with database.write() as connection:
            return take_overdue_job(connection, job)

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(take, range(6))) == [False] * 5 + [True]


def test_a_ready_step_that_nobody_claimed_is_taken_by_one(database: Database) -> None:
    run = begin(database, Chain(steps=(Call(model="a"), Call(model="b"))))
    make_overdue(database, Step)
    with database.read() as connection:
        (step,) = overdue_steps(connection, 10)
    assert (step.step.path, step.step.provider, step.drives) == ("0", "one", 0)

    def take(_: int) -> bool:
        with database.write() as connection:
            return take_overdue_step(connection, step)

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(take, range(6))) == [False] * 5 + [True]
    with database.read() as connection:
        assert overdue_steps(connection, 10) == [], "it waits longer after each time"
    assert run.row("0").drives == 1


def test_a_step_that_is_claimed_or_ended_is_not_overdue(database: Database) -> None:
    run = begin(database, Chain(steps=(Call(model="a"), Call(model="b"))))
    run.must_claim("0")
    make_overdue(database, Step)
    with database.read() as connection:
        assert overdue_steps(connection, 10) == []
