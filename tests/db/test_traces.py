"""A trace tells what happened beside the answers: waits, drives, deaths, moves, and why each attempt was made."""

from __future__ import annotations

import time
from datetime import timedelta

from db.attempts import Asked, Outcome, close_attempt, open_attempt
from db.events import START
from db.overdue import take_overdue_jobs, take_overdue_steps
from db.steps import claim_step, move_step
from db.workers import bury_worker, register_worker
from mirepoix import Call
from mirepoix.ledger.accept import Submission, accept_jobs
from mirepoix.ledger.engine import Database
from mirepoix.ledger.read import read_trace
from mirepoix.states import ErrorKind, EventKind, Lane
from tests.db.ledger import begin

EAGER = timedelta(seconds=-60)


def test_a_step_tells_its_waits_and_what_happened_to_it(database: Database) -> None:
    run = begin(database, Call(model="a"))
    with database.write() as connection:
        register_worker(connection, "w", "w@here", [])
        take_overdue_steps(connection, "one", Lane.FAST, EAGER, 5)
    time.sleep(0.2)  # it waits in its queue: what is to be measured
    run.must_claim("$", "w")
    with database.write() as connection:
        bury_worker(connection, "w", 0)
    time.sleep(0.1)  # and again
    claim = run.must_claim("$")
    with database.write() as connection:
        assert move_step(connection, claim, model="b", provider="two", why="overloaded")
    run.answer("$")
    with database.read() as connection:
        (step,) = read_trace(connection, run.job_id).steps
    assert 0.3 <= step.queued_s < 5
    assert step.crashes == 1
    assert [(event.kind, event.detail) for event in step.events] == [
        (EventKind.DRIVEN, "by the reconciler"),
        (EventKind.TAKEN_BACK, "process w"),
        (EventKind.MOVED, "a -> b: overloaded"),
    ]


def test_a_job_that_was_started_late_tells_so(database: Database) -> None:
    with database.write() as connection:
        (accepted,) = accept_jobs(connection, "test", Call(model="a"), [Submission("x")])
    with database.write() as connection:
        take_overdue_jobs(connection, Lane.FAST, EAGER, 5)
    with database.read() as connection:
        trace = read_trace(connection, accepted.job_id)
    assert START == "start"
    assert [event.kind for event in trace.events] == [EventKind.DRIVEN]
    assert trace.queued_s > 0


def test_each_attempt_tells_why_it_was_made(database: Database) -> None:
    run = begin(database, Call(model="a"))
    kinds = [ErrorKind.OVERLOADED, ErrorKind.INVALID_OUTPUT, ErrorKind.OVERLOADED]
    with database.write() as connection:
        claim = claim_step(connection, run.job_id, "$", "me")
        assert claim is not None
        for kind in kinds:
            attempt = open_attempt(connection, claim, Asked("one", "a", "a", "?"))
            close_attempt(connection, attempt, Outcome(latency=1, error_kind=kind, limit_wait=2.5, limit_reason="rpm"))
        move_step(connection, claim, model="b", provider="two")
        claim = claim_step(connection, run.job_id, "$", "me")
        assert claim is not None
        open_attempt(connection, claim, Asked("two", "b", "b", "?"))
    with database.read() as connection:
        (step,) = read_trace(connection, run.job_id).steps
    assert [[attempt.because for attempt in call.attempts] for call in step.calls] == [
        ["first", "retry", "re-ask"],
        ["fallback"],
    ]
    first = step.calls[0].attempts[0]
    assert (first.limit_wait_s, first.limit_reason) == (2.5, "rpm")
