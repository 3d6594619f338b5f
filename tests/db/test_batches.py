"""Who joins a batch, who looks after it, and what becomes of the steps that it holds."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from db.attempts import Asked, Outcome, close_attempt, open_attempt
from db.batches import (
    HeldBatch,
    claim_batch,
    end_batch,
    is_wanted,
    join_batch,
    mark_sent,
    open_call,
    put_down,
    put_down_broken,
    read_calls,
    take_due_batches,
    was_batched,
)
from db.workers import bury_worker, register_worker
from mirepoix import Call, Chain
from mirepoix.config import Batching
from mirepoix.ledger.ending import cancel_job
from mirepoix.ledger.engine import Database
from mirepoix.ledger.tables import Batch
from mirepoix.states import BatchState
from tests.db.ledger import Run, begin

SOON = Batching(wait=0)
LATER = Batching(wait=3600)


def join(run: Run, path: str = "$", *, by: Batching = SOON, size: int = 100, holder: str = "me") -> tuple[str, int]:
    """Claim a step and hand it to a batch; returns the ids of the batch and of the attempt."""
    claim = run.must_claim(path, holder)
    with run.database.write() as connection:
        attempt = open_attempt(connection, claim, Asked("one", "a", "a", {"messages": [run.job_id]}))
        return join_batch(connection, claim, attempt, provider="one", size=size, by=by), attempt


def claim(database: Database, batch: str, holder: str = "me") -> HeldBatch:
    with database.write() as connection:
        held = claim_batch(connection, batch, holder)
    assert held is not None
    return held


def due(database: Database) -> list[str]:
    with database.write() as connection:
        return [batch for batch, _ in take_due_batches(connection, ["one"], 10)]


def states(database: Database) -> list[tuple[str, int]]:
    with database.read() as connection:
        return [(row.state, row.requests) for row in connection.execute(select(*Batch.__table__.c).order_by(Batch.id))]


def test_calls_of_one_model_gather_until_their_time_has_come(database: Database) -> None:
    runs = [begin(database, Call(model="a")) for _ in range(3)]
    assert len({join(run, by=LATER)[0] for run in runs}) == 1
    assert states(database) == [(BatchState.GATHERING, 3)]
    assert due(database) == []


@pytest.mark.parametrize("full", [Batching(wait=3600, requests=2), Batching(wait=3600, bytes=250)])
def test_a_full_batch_is_sealed_and_the_next_begun(database: Database, full: Batching) -> None:
    joined = [join(begin(database, Call(model="a")), by=full)[0] for _ in range(3)]
    assert joined[0] == joined[1] != joined[2]
    assert states(database) == [(BatchState.SEALED, 2), (BatchState.GATHERING, 1)]
    assert due(database) == [joined[0]]


def test_a_request_larger_than_a_batch_goes_alone(database: Database) -> None:
    joined = [join(begin(database, Call(model="a")), by=Batching(wait=0, bytes=50))[0] for _ in range(2)]
    assert len(set(joined)) == 2


def test_a_step_in_a_batch_is_nobody_elses(database: Database) -> None:
    run = begin(database, Call(model="a"))
    with database.write() as connection:
        register_worker(connection, "gone", "gone@here.1", [])
    join(run, holder="gone")
    with database.write() as connection:
        assert bury_worker(connection, "gone", 0) == []
    assert run.claim("$") is None


def test_a_batch_has_one_keeper_and_comes_back_when_it_dies(database: Database) -> None:
    with database.write() as connection:
        register_worker(connection, "gone", "gone@here.1", [])
    batch, _ = join(begin(database, Call(model="a")))
    old = claim(database, batch, "gone")
    assert (old.state, old.epoch) == (BatchState.SEALED, 1)
    with database.write() as connection:
        assert claim_batch(connection, batch, "me") is None
        bury_worker(connection, "gone", 0)
    assert due(database) == [batch]
    new = claim(database, batch)
    with database.write() as connection:
        assert not mark_sent(connection, old, "remote-1", timedelta(0))
        assert mark_sent(connection, new, "remote-2", timedelta(0))
    assert claim(database, batch).remote_id == "remote-2"


def test_a_batch_whose_task_broke_is_left_alone_for_longer_each_time(database: Database) -> None:
    batch, _ = join(begin(database, Call(model="a")))
    for failures in range(3):
        held = claim(database, batch)
        assert held.failures == failures
        with database.write() as connection:
            put_down_broken(connection, held)
        assert due(database) == []
    held = claim(database, batch)
    with database.write() as connection:
        assert put_down(connection, held, timedelta(0))
        put_down_broken(connection, held)
    assert claim(database, batch).failures == 0


def test_an_outcome_is_recorded_once_and_what_follows_is_driven(database: Database) -> None:
    run = begin(database, Chain(steps=(Call(name="first", model="a"), Call(name="last", model="a"))))
    batch, attempt = join(run, "first")
    with database.write() as connection:
        call = open_call(connection, batch, attempt)
        assert call is not None
        assert was_batched(connection, call.claim)
        assert open_call(connection, "another", attempt) is None
    progress = run.record(call.claim)
    assert [step.path for step in progress.to_drive] == ["last"]
    with database.write() as connection:
        close_attempt(connection, attempt, Outcome(latency=1, answer="answer"))
        assert open_call(connection, batch, attempt) is None
        assert read_calls(connection, batch, after=0, limit=9) == []


def test_a_cancelled_job_is_not_wanted_any_more(database: Database) -> None:
    run, other = begin(database, Call(model="a")), begin(database, Call(model="a"))
    batch, _ = join(run, by=LATER)
    join(other, by=LATER)
    with database.write() as connection:
        cancel_job(connection, run.job_id)
        assert is_wanted(connection, batch)
        assert [call.wanted for call in read_calls(connection, batch, after=0, limit=9)] == [False, True]
        cancel_job(connection, other.job_id)
        assert not is_wanted(connection, batch)


def test_the_end_of_a_batch_frees_what_it_still_holds(database: Database) -> None:
    run = begin(database, Call(model="a"))
    batch, _ = join(run)
    held = claim(database, batch)
    with database.write() as connection:
        assert [step.path for step in end_batch(connection, held)] == ["$"]
        assert end_batch(connection, held) == []
        assert claim_batch(connection, batch, "me") is None
    assert run.claim("$") is not None
