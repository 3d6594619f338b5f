"""Copies of jobs are jobs like others: found, priced, and, where they wait, begun and answered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, inspect, select

from bench.copies import TABLES, multiply, queue_up
from db.attempts import Asked, Outcome, close_attempt, open_attempt
from db.lanes import fill_fast_lane
from db.migrate import migrate
from mirepoix import Call
from mirepoix.ledger.contents import load
from mirepoix.ledger.engine import Database
from mirepoix.ledger.read import read_jobs
from mirepoix.ledger.search import Search, find_jobs
from mirepoix.ledger.tables import Attempt, Job, Step, now
from mirepoix.prices import Usage
from mirepoix.states import JobState
from tasks.filing import file_some
from tests.databases import fresh_database
from tests.db.ledger import Run, begin

COPIES = 40


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """On SQLite, or on the PostgreSQL that the environment names."""
    with fresh_database(tmp_path) as url:
        opened = Database(url)
        migrate(opened)
        yield opened
        opened.close()


def ended(database: Database) -> Run:
    """A job with one call that has ended and is filed."""
    run = begin(database, Call(model="a"))
    claim = run.must_claim("$")
    with database.write() as connection:
        attempt = open_attempt(connection, claim, Asked("one", "a", "a", {"prompt": "input"}))
    run.record(claim)
    with database.write() as connection:
        close_attempt(connection, attempt, Outcome(latency=1.0, answer="answer", usage=Usage(input=1, output=1)))
    assert len(file_some(database, frozenset(), 0)) == 1
    return run


def test_copies_have_texts_and_times_of_their_own_and_are_found(database: Database) -> None:
    ended(database)
    until = now()
    assert multiply(database, COPIES, until, open_jobs=0) == COPIES
    with database.read() as connection:
        found = find_jobs(connection, Search(text='"7 plus one"'))
        views = {view.job: view for view in read_jobs(connection, find_jobs(connection, Search(limit=100)))}
        for column, distinct in ((Job.input_hash, COPIES), (Attempt.prompt_hash, COPIES), (Job.output_hash, 1)):
            counted = connection.execute(select(func.count(column.distinct()))).scalar_one()
            assert counted in (distinct, distinct + 1), column
        prompt = connection.execute(select(Attempt.prompt_hash).where(Attempt.job_id == f"{7:026d}")).scalar_one()
        asked = load(connection, [prompt])[prompt]
    assert found == [f"{7:026d}"]
    copies = [view for job, view in sorted(views.items()) if job.startswith("0000")]
    assert len(copies) == COPIES
    assert [view.created_at for view in copies] == sorted(view.created_at for view in copies)
    assert until - timedelta(days=31) < copies[0].created_at < copies[-1].created_at <= until
    assert asked == {"messages": [{"role": "user", "content": "What is 7 plus one?"}]}


def test_all_indexes_are_there_again_after_copying(database: Database) -> None:
    ended(database)

    def indexes() -> dict[str, set[str | None]]:
        found = inspect(database.engine)
        return {table.name: {index["name"] for index in found.get_indexes(table.name)} for table in TABLES}

    before = indexes()
    multiply(database, COPIES, now(), open_jobs=0)
    assert indexes() == before
    assert "ix_jobs_input" in before["jobs"]


def test_copies_that_wait_are_begun_and_answered_like_any_job(database: Database) -> None:
    run = ended(database)
    waiting = queue_up(database, run.job_id, COPIES, now(), tenant="heavy")
    begin(database, Call(model="a"))
    with database.write() as connection:
        promotion = fill_fast_lane(connection, "heavy")
    assert (promotion.starts, promotion.steps) == (waiting[:20], [])
    with database.read() as connection:
        steps = connection.execute(select(func.count()).select_from(Step)).scalar_one()
        states = {view.state for view in read_jobs(connection, waiting)}
    assert (steps, states) == (2, {JobState.QUEUED})
