"""What is thought of a job's answer: the newest word of each source counts, and nothing else is taken."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from db.prune import prune
from mirepoix import Call
from mirepoix.errors import InputError, NotFound
from mirepoix.ledger.engine import Database
from mirepoix.ledger.feedback import LONGEST_NOTE, record_feedback
from mirepoix.ledger.read import read_jobs, read_trace
from mirepoix.ledger.tables import Feedback, now
from tests.db.ledger import begin


def answered(database: Database, **spec: str) -> str:
    run = begin(database, Call.model_validate({"model": "a", **spec}))
    run.answer("$", "yes")
    return run.job_id


def say(database: Database, job_id: str, score: float, source: str = "user", note: str | None = None) -> None:
    with database.write() as connection:
        record_feedback(connection, job_id, score, source, note)


def test_the_newest_word_of_each_source_counts(database: Database) -> None:
    job = answered(database)
    say(database, job, 0.25, note="half of it")
    say(database, job, 1, "unit-test")
    say(database, job, 0.75)
    with database.read() as connection:
        (view,) = read_jobs(connection, [job])
        assert read_trace(connection, job).feedback == view.feedback
    assert [(given.source, given.score, given.note) for given in view.feedback] == [
        ("unit-test", 1, None),
        ("user", 0.75, None),
    ]


@pytest.mark.parametrize("score", [-0.01, 1.01, float("nan"), float("inf")])
def test_a_score_is_a_number_from_0_to_1(database: Database, score: float) -> None:
    job = answered(database)
    with pytest.raises(InputError, match="from 0"):
        say(database, job, score)


def test_only_an_answer_is_judged_by_somebody_known(database: Database) -> None:
    run = begin(database, Call(model="a"))
    with pytest.raises(InputError, match="no answer to judge: it is running"):
        say(database, run.job_id, 1)
    run.fail("$")
    with pytest.raises(InputError, match="no answer to judge: it is failed"):
        say(database, run.job_id, 1)
    with pytest.raises(NotFound):
        say(database, "nobody", 1)
    with pytest.raises(InputError, match="Did you mean 'judge'"):
        say(database, answered(database), 1, "jugde")


def test_a_note_is_a_text_of_bounded_length_on_a_job_whose_texts_are_kept(database: Database) -> None:
    job = answered(database)
    for note in ("", " \n", "x" * (LONGEST_NOTE + 1)):
        with pytest.raises(InputError, match="a note has"):
            say(database, job, 1, note=note)
    say(database, job, 1, note="nul \x00, half \ud800 a character")
    for store in ("redacted", "none"):
        private = answered(database, store=store)
        with pytest.raises(InputError, match=f"store: {store}, so no note"):
            say(database, private, 1, note="call me at 555-1234")
        say(database, private, 1)


def test_feedback_goes_with_its_job(database: Database) -> None:
    say(database, answered(database), 1)
    assert sum(pruned.jobs for pruned in prune(database, now())) == 1
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(Feedback)).scalar_one() == 0
