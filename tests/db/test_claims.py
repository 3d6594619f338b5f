"""Who may do a step, and whose answer counts."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from db.steps import read_wanted
from db.workers import beat, bury_worker, read_beats, register_worker, retire_worker
from mirepoix import Call, Chain, Ensemble, JobState
from mirepoix.ledger.ending import cancel_job
from mirepoix.ledger.engine import Database
from mirepoix.states import StepState
from tests.db.ledger import begin

CHAIN = Chain(steps=(Call(name="first", model="a"), Call(name="last", model="b")))


def test_a_step_that_waits_for_another_cannot_be_claimed(database: Database) -> None:
    run = begin(database, CHAIN)
    assert run.claim("last") is None
    run.answer("first")
    assert run.claim("last") is not None


def test_a_step_is_claimed_once(database: Database) -> None:
    run = begin(database, CHAIN)
    assert run.claim("first") is not None
    assert run.claim("first", "someone else") is None


def test_an_answered_step_is_never_claimed_again(database: Database) -> None:
    run = begin(database, CHAIN)
    run.answer("first")
    assert run.claim("first") is None


def test_a_duplicate_answer_changes_nothing(database: Database) -> None:
    run = begin(database, CHAIN)
    claim = run.must_claim("first")
    assert run.record(claim, "the first").won
    before = run.rows()
    assert not run.record(claim, "the second").won
    assert run.rows() == before


def test_an_answer_under_an_older_epoch_never_wins(database: Database) -> None:
    run = begin(database, CHAIN)
    with database.write() as connection:
        register_worker(connection, "slow", "slow@here.1", [])
    old = run.must_claim("first", "slow")
    with database.write() as connection:
        assert [back.step.path for back in retire_worker(connection, "slow")] == ["first"]
    new = run.must_claim("first", "quick")
    assert new.epoch == old.epoch + 1
    assert not run.record(old, "late").won
    assert run.record(new, "in time").won


def test_an_answer_wins_when_its_step_was_taken_back_but_not_claimed_anew(database: Database) -> None:
    run = begin(database, CHAIN)
    claim = run.must_claim("first", "slow")
    with database.write() as connection:
        retire_worker(connection, "slow")
    assert run.record(claim, "paid for").won
    assert run.row("first").state == StepState.SUCCEEDED


def test_only_a_beat_that_stood_still_is_buried(database: Database) -> None:
    run = begin(database, CHAIN)
    with database.write() as connection:
        register_worker(connection, "w", "w@here.1", ["orchestrate"])
    run.must_claim("first", "w")
    with database.write() as connection:
        seen = read_beats(connection)["w"]
        assert beat(connection, "w")
        assert bury_worker(connection, "w", seen) is None
    with database.write() as connection:
        taken = bury_worker(connection, "w", seen + 1)
        assert taken is not None
        assert [(back.step.path, back.crashes) for back in taken] == [("first", 1)]
        assert read_beats(connection) == {}
        assert bury_worker(connection, "w", seen + 1) is None
        assert not beat(connection, "w")
        assert "w" in read_beats(connection)


def test_nothing_of_a_cancelled_job_is_claimed_or_answered(database: Database) -> None:
    run = begin(database, CHAIN)
    claim = run.must_claim("first")
    with database.write() as connection:
        assert cancel_job(connection, run.job_id)
        assert not cancel_job(connection, run.job_id)
    assert not run.record(claim).won
    assert run.claim("last") is None
    assert run.state is JobState.CANCELLED
    assert {row.state for row in run.rows()} == {StepState.CANCELLED}


@pytest.mark.slow
def test_racing_claims_give_each_step_to_exactly_one(database: Database) -> None:
    members, jobs, racers = 125, 10, 8
    spec = Ensemble(members=tuple(Call(model="a") for _ in range(members)))
    runs = [begin(database, spec) for _ in range(jobs)]

    def race(holder: int) -> list[tuple[str, str]]:
        wanted = [(run, f"members.{index}") for run in runs for index in range(members)]
        return [(run.job_id, path) for run, path in wanted if run.claim(path, str(holder)) is not None]

    with ThreadPoolExecutor(racers) as pool:
        won = Counter(step for mine in pool.map(race, range(racers)) for step in mine)
    print(f"{members * jobs * racers} racing claims, {len(won)} steps, claimed twice: {won.total() - len(won)}")
    assert len(won) == members * jobs
    assert set(won.values()) == {1}


def test_members_that_answer_at_the_same_moment_all_count(database: Database) -> None:
    members = 24
    run = begin(database, Ensemble(members=tuple(Call(model="a") for _ in range(members))))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(run.answer, [f"members.{index}" for index in range(members)]))
    assert run.row("$").missing == 0
    assert run.claim("$") is not None


def test_a_claimed_call_is_wanted_until_it_or_its_job_ends(database: Database) -> None:
    pair = Ensemble(members=(Call(model="a"), Call(model="b")), quorum=1)
    run, chain, other = begin(database, pair), begin(database, CHAIN), begin(database, CHAIN)
    run.spawn("$", [0, 1])
    claims = {path: run.must_claim(path) for path in ("members.0", "members.1")}
    chain.must_claim("first")
    other.must_claim("first", "someone else")
    assert _wanted(database) == {(run.job_id, "members.0"), (run.job_id, "members.1"), (chain.job_id, "first")}
    run.record(claims["members.0"])
    assert _wanted(database) == {(run.job_id, "members.1"), (chain.job_id, "first")}
    with database.write() as connection:
        assert cancel_job(connection, run.job_id)
    assert _wanted(database) == {(chain.job_id, "first")}


def _wanted(database: Database) -> set[tuple[str, str]]:
    with database.read() as connection:
        return read_wanted(connection, "me")
