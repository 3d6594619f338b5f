"""Jobs are found by what they were and by the words in them, on both databases alike."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, inspect, update

from mirepoix.ledger.engine import Database
from mirepoix.ledger.search import Search, find_jobs
from mirepoix.ledger.tables import Job, now
from mirepoix.ledger.words import LONGEST_WORD, terms_of, words_of
from mirepoix.states import JobState, Store
from tests.db.filed import ask, file_all

FOUND = {
    "capital": ["paris"],
    "CAPITAL paris": ["paris"],
    "capital seine": [],
    "france": ["mail", "paris"],
    '"capital of france"': ["paris"],
    '"france of capital"': [],
    '"of france': ["mail", "paris"],
    "cafe": ["cafe"],
    "café où": ["cafe"],
    "1815": ["cafe"],
    "example": [],
    "done now": ["mail"],
    "done_now": ["mail"],
    "answer": [],
    "capit": [],
}
HOSTILE = [
    '"',
    "'",
    '"; DROP TABLE jobs; --',
    "NEAR(a b)",
    "a* OR b",
    "words:capital",
    "^capital AND",
    "(((",
    "-capital",
    "a & b | !c <-> d",
    ":*",
    "\x00",
    "\ud800",
    "%_\\",
    "{}" * 1000,
    "x" * 100_000,
    "word " * 5_000,
]


def find(database: Database, text: str | None = None, **fields: object) -> list[str]:
    with database.read() as connection:
        return find_jobs(connection, Search(text=text, **fields))  # type: ignore[arg-type]  # as a test names them


@pytest.fixture
def three(database: Database) -> dict[str, str]:
    """The ids of three jobs that have ended, by what they are about."""
    runs = {
        "paris": ask(database, "What is the capital of France?", "It is Paris.", model="a", tenant="t1"),
        "cafe": ask(database, "Où est le CAFÉ?", {"answer": ["near the Seine", 1815]}, model="b", tenant="t2"),
        "mail": ask(database, "Write to ada@example.org of France", "done_now", store=Store.REDACTED),
    }
    file_all(database)
    return {name: run.job_id for name, run in runs.items()}


def test_words_are_found_whatever_their_case_and_accents(database: Database, three: dict[str, str]) -> None:
    names = {job_id: name for name, job_id in three.items()}
    assert {text: [names[job_id] for job_id in find(database, text)] for text in FOUND} == FOUND


def test_no_query_is_ill_formed(database: Database, three: dict[str, str]) -> None:
    for text in HOSTILE:
        assert find(database, text) in ([], [three["paris"]]), text[:100]


def test_fields_narrow_the_search(database: Database, three: dict[str, str]) -> None:
    everything = [three["mail"], three["cafe"], three["paris"]]
    assert find(database) == everything
    assert find(database, limit=2) == everything[:2]
    assert find(database, model="b") == [three["cafe"]]
    assert find(database, provider="one", tenant="t1") == [three["paris"]]
    assert find(database, provider="nobody") == []
    assert find(database, state=JobState.SUCCEEDED, pipeline="test") == everything
    assert find(database, state=JobState.FAILED) == []
    with database.write() as connection:
        yesterday = update(Job).where(Job.id == three["paris"]).values(created_at=now() - timedelta(days=1))
        connection.execute(yesterday)
    hour = timedelta(hours=1)
    assert find(database, until=now() - hour) == [three["paris"]]
    assert find(database, since=now() - hour) == everything[:2]
    assert find(database, "france", since=now() - hour) == [three["mail"]]


@pytest.mark.parametrize("field", ["model", "provider"])
def test_whom_a_job_asked_is_looked_up_by_an_index(database: Database, three: dict[str, str], field: str) -> None:
    value = {"model": "b", "provider": "one"}[field]
    statements: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    assert find(database, **{field: value})
    assert any(f"attempts.{field} = " in statement and " IN (SELECT" in statement for statement in statements)
    names = {index["name"]: index["column_names"] for index in inspect(database.engine).get_indexes("attempts")}
    assert names[f"ix_attempts_{field}"] == [field, "job_id"]


def test_what_is_not_stored_is_not_found(database: Database) -> None:
    ask(database, "unsayable", "ineffable", store=Store.NONE)
    run = ask(database, "sayable", "fine")
    file_all(database)
    assert find(database, "unsayable") == find(database, "ineffable") == []
    assert find(database, "sayable") == [run.job_id]


@given(st.text(max_size=60))
def test_a_text_has_the_words_that_are_searched_for_in_it(text: str) -> None:
    words = words_of([text]).split()
    assert all(term in " ".join(words) for term in terms_of(text.replace('"', " ")))
    assert all(len(word) <= LONGEST_WORD for word in words)
