"""What is kept of a job's texts is what its pipeline says, and nobody else loses any."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import pytest
from pydantic import JsonValue
from sqlalchemy import select

from db.attempts import Asked, Outcome, close_attempt, open_attempt
from db.disuse import drop_unused
from mirepoix import Call, Chain
from mirepoix.again import Again
from mirepoix.config import Config
from mirepoix.errors import NotReplayable, PipelineError
from mirepoix.ledger.accept import Submission, accept_again, accept_jobs
from mirepoix.ledger.contents import encode, load, store
from mirepoix.ledger.ending import cancel_job
from mirepoix.ledger.engine import Database
from mirepoix.ledger.read import read_jobs, read_trace
from mirepoix.ledger.tables import Content
from mirepoix.privacy import Sensitive
from mirepoix.spec import parse
from mirepoix.states import Store
from mirepoix.views import Decision
from pipelines.privacy.bare import NOT_STORED
from pipelines.privacy.redact import redact
from tests.db.filed import ask, everything, file_all
from tests.db.ledger import begin

EMAIL = "ada@example.org"
WHY = Decision(choice="$", reason=f"most said {EMAIL}", confidence=0.5, features={"score": 0.5, "said": EMAIL})


def test_what_is_redacted_holds_no_address_anywhere(database: Database) -> None:
    run = ask(database, f"Who is {EMAIL}?", f"{EMAIL} is Ada.", store=Store.REDACTED, decision=WHY)
    assert EMAIL in everything(database), "workers need it until the job has ended"
    file_all(database)
    assert EMAIL not in everything(database)
    with database.read() as connection:
        trace = read_trace(connection, run.job_id)
        texts = load(connection, [a.prompt_hash for s in trace.steps for c in s.calls for a in c.attempts])
    assert (trace.input, trace.output) == ("Who is [email]?", "[email] is Ada.")
    assert list(texts.values()) == [{"prompt": "Asked: Who is [email]?"}]
    assert [attempt.error for attempt in trace.steps[0].calls[0].attempts] == ["it said [email] is Ada.", None]
    assert trace.steps[0].decision == Decision(
        choice="$", reason="most said [email]", confidence=0.5, features={"score": 0.5, "said": "[email]"}
    )


def test_others_write_while_a_text_is_redacted(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(database, f"Who is {EMAIL}?", "Ada.", store=Store.REDACTED)
    had_to_wait: list[bool] = []

    def write() -> None:
        with database.write():
            pass

    def redact_slowly(value: JsonValue, kinds: Iterable[Sensitive]) -> JsonValue:
        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        writer.join(5)
        had_to_wait.append(writer.is_alive())
        return redact(value, kinds)

    monkeypatch.setattr("tasks.filing.redact", redact_slowly)
    file_all(database)
    assert had_to_wait
    assert not any(had_to_wait)
    assert EMAIL not in everything(database)


def test_what_is_not_stored_leaves_hashes_counts_and_choices(database: Database) -> None:
    run = ask(database, "a secret question", "a secret answer", store=Store.NONE, decision=WHY)
    with database.read() as connection:
        before = read_trace(connection, run.job_id)
    file_all(database)
    assert "secret" not in everything(database)
    assert EMAIL not in everything(database)
    with database.read() as connection:
        after = read_trace(connection, run.job_id)
        (view,) = read_jobs(connection, [run.job_id])
    assert (after.input, after.output, after.forgotten, view.forgotten) == (None, None, True, True)
    attempts = [trace.steps[0].calls[0].attempts for trace in (before, after)]
    hashes, kept = ([(a.prompt_hash, a.answer_hash, a.input_tokens) for a in of_one] for of_one in attempts)
    assert hashes == kept
    assert after.steps[0].decision == Decision(
        choice="$", reason=NOT_STORED, confidence=0.5, features={"score": 0.5, "said": NOT_STORED}
    )


def test_what_another_job_needs_stays(database: Database) -> None:
    kept = ask(database, "shared", "same answer", store=Store.FULL)
    ask(database, "shared", "same answer", store=Store.NONE)
    open_ = begin(database, Call(model="a", store=Store.NONE), "only the open one")
    ask(database, "only the open one", "gone", store=Store.NONE)
    file_all(database)
    with database.read() as connection:
        trace = read_trace(connection, kept.job_id)
        assert (trace.input, trace.output) == ("shared", "same answer")
        assert read_trace(connection, open_.job_id).input == "only the open one"
        assert load(connection, [encode("gone")[0]]) == {}
    open_.answer("$", "done")
    file_all(database)
    assert "only the open one" not in everything(database)


@pytest.mark.parametrize("kept", Store)
def test_a_job_runs_again_only_with_the_texts_that_it_had(database: Database, kept: Store) -> None:
    run = ask(database, f"Who is {EMAIL}?", "Ada.", store=kept)
    with database.write() as connection:
        assert accept_again(connection, Again(job=run.job_id)), "nothing has become of its texts yet"
    file_all(database)
    with database.write() as connection:
        if kept is Store.FULL:
            assert accept_again(connection, Again(job=run.job_id))
        else:
            with pytest.raises(NotReplayable, match=rf"not replayable, because .* \(store: {kept.value}\)"):
                accept_again(connection, Again(job=run.job_id))


def test_the_text_comes_back_with_the_next_job_that_has_it(database: Database) -> None:
    ask(database, "again", "yes", store=Store.NONE)
    file_all(database)
    run = ask(database, "again", "yes", store=Store.FULL)
    with database.read() as connection:
        assert read_trace(connection, run.job_id).input == "again"


def test_an_answer_that_comes_after_the_end_is_waited_for(database: Database) -> None:
    run = begin(database, Call(model="a", store=Store.NONE), "secret")
    claim = run.must_claim("$")
    with database.write() as connection:
        attempt = open_attempt(connection, claim, Asked("one", "a", "a", "secret prompt"))
    with database.write() as connection:
        assert cancel_job(connection, run.job_id)
    file_all(database)
    with database.write() as connection:
        close_attempt(connection, attempt, Outcome(latency=1, answer="secret answer"))
    assert "secret answer" in everything(database)
    file_all(database)
    assert "secret" not in everything(database)


def test_a_text_that_is_being_stored_is_not_dropped(database: Database) -> None:
    """Its reference is not to be seen yet; whoever drops passes it over, or waits, as the database does."""
    with database.write() as connection:
        (hash_,) = store(connection, ["precious"])
    stored, dropped = threading.Event(), threading.Event()

    def refer() -> None:
        with database.write() as connection:
            store(connection, ["precious"])
            stored.set()
            dropped.wait(1)
            accept_jobs(connection, "test", Call(model="a"), [Submission("precious")])

    thread = threading.Thread(target=refer)
    thread.start()
    assert stored.wait(10)
    with database.write() as connection:
        drop_unused(connection, [hash_])
    dropped.set()
    thread.join(10)
    with database.read() as connection:
        assert connection.scalars(select(Content.hash)).all() == [hash_]


def test_a_text_that_is_being_dropped_is_stored_anew(database: Database) -> None:
    with database.write() as connection:
        (hash_,) = store(connection, ["precious"])
    with database.write() as connection:
        assert drop_unused(connection, [hash_]) == 1
        other = threading.Thread(target=_store, args=(database,))
        other.start()
        other.join(0.3)
    other.join(10)
    with database.read() as connection:
        assert load(connection, [hash_]) == {hash_: "precious"}


def _store(database: Database) -> None:
    with database.write() as connection:
        store(connection, ["precious"])


def test_store_stands_at_the_root_only() -> None:
    config = {"providers": {"p": {"api": "openai"}}, "models": {"m": {"provider": "p"}}}
    spec = parse({"store": "none", "chain": [{"call": {"model": "m"}}]})
    assert spec.store is Store.NONE
    Config.model_validate(config).require_models("p", spec)
    nested = Chain(steps=(Call(model="m", store=Store.NONE),))
    with pytest.raises(PipelineError, match="`store` stands at the root of a pipeline only"):
        Config.model_validate(config).require_models("p", nested)
