"""What nobody moved is found, and taken by exactly one of those who find it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from sqlalchemy import update

from db.overdue import (
    SentAgain,
    has_overdue_steps,
    late_jobs,
    overdue_jobs,
    stuck_job_ids,
    take_overdue_jobs,
    take_overdue_steps,
)
from mirepoix import Call, Chain
from mirepoix.ledger.accept import Submission, accept_jobs
from mirepoix.ledger.engine import Database
from mirepoix.ledger.tables import Job, Step, now
from mirepoix.states import Lane
from tests.db.ledger import begin

PATIENCE = timedelta(seconds=10)


def make_overdue(database: Database, table: type[Job | Step]) -> None:
    """Let the time come at which the reconciler wonders."""
    with database.write() as connection:
        long_ago = now() - timedelta(hours=1)
        connection.execute(update(table).where(table.due_at.is_not(None)).values(due_at=long_ago))


def take_steps(database: Database) -> list[SentAgain]:
    """What one reconciler takes of the overdue steps of provider `one`."""
    with database.write() as connection:
        return take_overdue_steps(connection, "one", Lane.FAST, PATIENCE, 10)


def test_an_accepted_job_that_nobody_started_is_taken_by_one(database: Database) -> None:
    with database.write() as connection:
        (accepted,) = accept_jobs(connection, "test", Call(model="a"), [Submission("hello")])
    with database.read() as connection:
        assert overdue_jobs(connection, Lane.FAST, PATIENCE, 10) == [], "its message may still be on its way"
    make_overdue(database, Job)
    with database.read() as connection:
        assert overdue_jobs(connection, Lane.FAST, PATIENCE, 10) == [accepted.job_id]
        assert overdue_jobs(connection, Lane.BULK, PATIENCE, 10) == []
        assert stuck_job_ids(connection, PATIENCE, 10) == [accepted.job_id]

    def take(_: int) -> list[str]:
        with database.write() as connection:
            return take_overdue_jobs(connection, Lane.FAST, PATIENCE, 10)

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(take, range(6))) == [[]] * 5 + [[accepted.job_id]]


def test_a_ready_step_that_nobody_claimed_is_taken_by_one(database: Database) -> None:
    run = begin(database, Chain(steps=(Call(model="a"), Call(model="b"))))
    assert take_steps(database) == []
    make_overdue(database, Step)
    with database.read() as connection:
        assert has_overdue_steps(connection, "one", Lane.FAST, PATIENCE)
        assert not has_overdue_steps(connection, None, Lane.FAST, PATIENCE)
        assert stuck_job_ids(connection, PATIENCE, 10) == [run.job_id]
    with ThreadPoolExecutor(6) as pool:
        taken = [sent for mine in pool.map(lambda _: take_steps(database), range(6)) for sent in mine]
    assert [(sent.step.path, sent.step.provider, sent.drives) for sent in taken] == [("0", "one", 1)]
    assert take_steps(database) == [], "it waits longer after each time"
    row = run.row("0")
    assert (row.drives, row.driven) == (1, True)
    run.must_claim("0")
    assert run.row("0").drives == 0, "a claim proves that it is not lost"


def test_a_step_waits_twice_as_long_after_each_time(database: Database) -> None:
    run = begin(database, Call(model="a"))
    waits: list[float] = []
    for _ in range(4):
        make_overdue(database, Step)
        assert len(take_steps(database)) == 1
        waits.append((run.row("$").due_at + PATIENCE - now()).total_seconds())
    assert [round(wait) for wait in waits] == [10, 20, 40, 80]


def test_a_step_that_is_claimed_or_ended_is_not_overdue(database: Database) -> None:
    run = begin(database, Chain(steps=(Call(model="a"), Call(model="b"))))
    run.must_claim("0")
    make_overdue(database, Step)
    assert take_steps(database) == []


def test_a_job_is_late_when_its_deadline_has_passed_before_its_end(database: Database) -> None:
    with database.write() as connection:
        jobs = [Submission("soon", deadline=0.01), Submission("later", deadline=60), Submission("never")]
        soon, _, _ = accept_jobs(connection, "test", Call(model="a"), jobs)
    with database.write() as connection:
        connection.execute(update(Job).where(Job.id == soon.job_id).values(deadline_at=now() - timedelta(seconds=1)))
    with database.read() as connection:
        assert late_jobs(connection, 10) == [soon.job_id]
