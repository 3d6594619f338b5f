"""Pages of jobs: joined they are all jobs that fit, in order, wherever the pages end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from db.job_pages import JobFilter, list_page
from mirepoix import Call, JobState
from mirepoix.errors import NotFound
from mirepoix.ledger.accept import Submission, accept_jobs
from mirepoix.ledger.engine import Database
from mirepoix.ledger.tables import Job, JobText, now

HALF = 60
COUNT = 2 * HALF


@pytest.fixture
def ids(database: Database) -> list[str]:
    """Jobs of two tenants and pipelines, many of them of the same moment; the newest first."""
    moment = now()
    with database.write() as connection:
        for pipeline, tenant in (("ask", "ada"), ("tell", "bob")):
            texts = [f"{pipeline} {number}" for number in range(HALF)]
            accept_jobs(connection, pipeline, Call(model="a"), [Submission(text, tenant=tenant) for text in texts])
        made = sorted(connection.scalars(Job.__table__.select().with_only_columns(Job.id)))
        for number, id_ in enumerate(made):
            created_at = moment - timedelta(hours=COUNT - number // 7 * 7)
            state = JobState.FAILED if number % 50 == 3 else JobState.QUEUED
            connection.execute(update(Job).where(Job.id == id_).values(created_at=created_at, state=state))
    return made[::-1]


def pages(database: Database, wanted: JobFilter, size: int, patience: float = 1.0) -> Iterator[tuple[str, ...]]:
    """All pages in turn."""
    after = None
    with database.read() as connection:
        while True:
            page = list_page(connection, wanted, after, size=size, patience=patience)
            yield page.ids
            after = page.after
            if after is None:
                return


def joined(database: Database, wanted: JobFilter, size: int = 50, patience: float = 1.0) -> list[str]:
    """What all pages have, one behind the other."""
    return [id_ for page in pages(database, wanted, size, patience) for id_ in page]


@pytest.mark.parametrize("size", [1, 7, 50, COUNT, COUNT + 1])
def test_joined_pages_are_all_jobs_once_the_newest_first(database: Database, ids: list[str], size: int) -> None:
    assert joined(database, JobFilter(), size) == ids
    assert {len(page) for page in pages(database, JobFilter(), size)} <= {size, COUNT % size}


def test_filters_let_through_what_fits(database: Database, ids: list[str]) -> None:
    told, asked = ids[:HALF], ids[HALF:]
    assert joined(database, JobFilter(pipeline="ask")) == asked
    assert joined(database, JobFilter(tenant="bob"), 7) == told
    assert joined(database, JobFilter(tenant="bob", pipeline="ask")) == []
    assert joined(database, JobFilter(state=JobState.FAILED)) == [ids[COUNT - 1 - 103], ids[COUNT - 1 - 53], ids[-4]]
    assert joined(database, JobFilter(model="a")) == [], "no call was made"
    assert set(joined(database, JobFilter(since=now() - timedelta(hours=9)))) == set(ids[:8])


def test_words_are_looked_for_page_by_page_in_the_order_of_their_index(database: Database, ids: list[str]) -> None:
    ended = sorted(ids, key=lambda id_: id_[::-1])
    with database.write() as connection:
        words = {id_: f"{'tell' if id_ in ids[:HALF] else 'ask'} {number}" for number, id_ in enumerate(ids)}
        connection.execute(insert(JobText), [{"job_id": id_, "words": words[id_]} for id_ in ended])
    assert joined(database, JobFilter(text="TELL 17 ")) == [ids[17]]
    for size in (1, 7, HALF):
        assert joined(database, JobFilter(text="ask"), size) == [id_ for id_ in ended[::-1] if id_ in ids[HALF:]]
    assert set(joined(database, JobFilter(text="tell", since=now() - timedelta(hours=9)), patience=0)) == set(ids[:8])
    assert joined(database, JobFilter(text="tell", tenant="ada")) == []
    assert joined(database, JobFilter(text='"%_*')) == [], "there is no word in it"


def test_the_list_does_not_go_on_behind_a_job_that_is_gone(database: Database, ids: list[str]) -> None:
    with database.read() as connection, pytest.raises(NotFound, match="begin at its top"):
        list_page(connection, JobFilter(), "0" * 26)


def test_a_look_that_may_not_last_can_be_taken_up_again(database: Database, ids: list[str]) -> None:
    """With strides of the whole ledger the time-out is not seen; the cursor is."""
    with database.read() as connection:
        first = list_page(connection, JobFilter(pipeline="ask"), size=10, patience=0)
        assert first.after is not None
        second = list_page(connection, JobFilter(pipeline="ask"), first.after, size=COUNT, patience=0)
    assert [*first.ids, *second.ids] == ids[HALF:]
    assert second.after is None
