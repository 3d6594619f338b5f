"""Old jobs go with all that is theirs; what others need stays; nobody is locked out meanwhile."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice

from sqlalchemy import func, select, update

from db.prune import JOBS_AT_A_TIME, count_old, prune
from mirepoix import Call
from mirepoix.ledger.contents import store
from mirepoix.ledger.engine import Database
from mirepoix.ledger.search import Search, find_jobs
from mirepoix.ledger.tables import Base, Content, Job, now
from mirepoix.states import JobState
from tests.db.filed import ask, everything, file_all
from tests.db.ledger import begin

MONTH = timedelta(days=30)


def age(database: Database, *job_ids: str) -> None:
    """Let these jobs have happened two months ago."""
    then = now() - 2 * MONTH
    with database.write() as connection:
        connection.execute(update(Job).where(Job.id.in_(job_ids)).values(created_at=then))
        connection.execute(
            update(Job).where(Job.id.in_(job_ids), Job.finished_at.is_not(None)).values(finished_at=then)
        )
        connection.execute(update(Content).values(created_at=then))


def total(database: Database, states: tuple[JobState, ...] = (JobState.SUCCEEDED, JobState.FAILED)) -> tuple[int, int]:
    done = list(prune(database, now() - MONTH, states))
    return sum(pruned.jobs for pruned in done), sum(pruned.contents for pruned in done)


def test_an_old_job_goes_without_a_trace(database: Database) -> None:
    old = ask(database, "forgotten question", "forgotten answer")
    file_all(database)
    age(database, old.job_id)
    assert count_old(database, now() - MONTH) == 1
    assert total(database) == (1, 4)
    with database.read() as connection:
        kept = {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in Base.metadata.tables.items()
        }
    assert {name for name, rows in kept.items() if rows} == {"pipelines"}
    assert "forgotten" not in everything(database)
    with database.read() as connection:
        assert find_jobs(connection, Search(text="forgotten")) == []


def test_what_is_young_open_or_of_another_state_stays(database: Database) -> None:
    young = ask(database, "shared", "young")
    old, open_ = ask(database, "shared", "old"), begin(database, Call(model="a"), "open")
    with_failure = begin(database, Call(model="a"), "failed")
    with_failure.fail("$")
    age(database, old.job_id, open_.job_id, with_failure.job_id)
    assert total(database, (JobState.FAILED,)) == (1, 1)
    assert total(database) == (1, 2), "the shared question and prompt stay"
    with database.read() as connection:
        assert set(find_jobs(connection, Search())) == {young.job_id, open_.job_id}
    assert "shared" in everything(database)


def test_texts_that_nobody_refers_to_go(database: Database) -> None:
    with database.write() as connection:
        store(connection, ["orphan"])
    assert total(database) == (0, 0), "it may be about to be used"
    age(database)
    assert total(database) == (0, 1)


def test_one_that_is_stopped_in_the_middle_goes_on_with_what_is_left(database: Database) -> None:
    runs = [begin(database, Call(model="a"), f"job {number}") for number in range(JOBS_AT_A_TIME + 5)]
    for run in runs:
        run.answer("$", "yes")
    age(database, *(run.job_id for run in runs))
    assert [pruned.jobs for pruned in islice(prune(database, now() - MONTH), 1)] == [JOBS_AT_A_TIME]
    assert count_old(database, now() - MONTH) == 5
    assert total(database)[0] == 5
