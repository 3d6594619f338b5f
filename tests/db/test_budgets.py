"""What a job, and a tenant on a day, may spend."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from db.attempts import Asked, Outcome, close_attempt, discard_attempt, open_attempt
from db.budgets import Room, reserve
from db.locks import lock_job
from db.workers import register_worker, retire_worker
from mirepoix import Call, Ensemble, Submission
from mirepoix.caps import Bound, Period
from mirepoix.errors import BudgetExceeded
from mirepoix.ledger.accept import accept_jobs
from mirepoix.ledger.engine import Database
from mirepoix.states import ErrorKind
from tests.db.ledger import Run, begin

MEMBERS = 40


@pytest.fixture
def run(database: Database) -> Run:
    """A job of many calls that may cost 1 USD."""
    return begin(database, Ensemble(members=(Call(model="a"),) * MEMBERS), max_cost=Decimal(1))


def ask(run: Run, member: int, amount: str, cap: str | None = None) -> int | Room:
    """Claim a member and open its attempt if the budget has room; the attempt's id, or Room.LATER."""
    claim = run.must_claim(f"members.{member}", "w")
    with run.database.write() as connection:
        job = lock_job(connection, run.job_id)
        room = reserve(connection, job, Decimal(amount), [] if cap is None else [Bound(Period.DAY, Decimal(cap))])
        if room is Room.LATER:
            return room
        return open_attempt(connection, claim, Asked("one", "a", "wire", {"prompt": "x"}, Decimal(amount)))


def close(run: Run, attempt: int | Room, cost: str | None, kind: ErrorKind | None = None) -> None:
    """Let an attempt end with a cost, or with an error."""
    assert isinstance(attempt, int)
    outcome = Outcome(latency=0.1, error_kind=kind, cost=None if cost is None else Decimal(cost))
    with run.database.write() as connection:
        close_attempt(connection, attempt, outcome)


@pytest.mark.parametrize("cap", [None, "1"])
def test_calls_in_flight_hold_what_they_may_cost_until_it_is_known(run: Run, cap: str | None) -> None:
    first, second = ask(run, 0, "0.4", cap), ask(run, 1, "0.4", cap)
    assert ask(run, 2, "0.4", cap) is Room.LATER
    close(run, first, "0.1")
    third = ask(run, 3, "0.4", cap)
    close(run, second, "0.3")
    close(run, third, "0.25")
    with pytest.raises(BudgetExceeded, match=r"0\.65 USD are spent, and the next call might cost 0\.4 USD"):
        ask(run, 4, "0.4", cap)
    assert isinstance(ask(run, 5, "0.35", cap), int)


@pytest.mark.parametrize("cap", [None, "1"])
def test_what_was_surely_not_billed_is_free_again_and_what_may_have_been_is_not(run: Run, cap: str | None) -> None:
    close(run, ask(run, 0, "0.5", cap), None, ErrorKind.OVERLOADED)
    close(run, ask(run, 1, "0.5", cap), None, ErrorKind.TIMEOUT)
    unsent = ask(run, 2, "0.5", cap)
    assert isinstance(unsent, int)
    with run.database.write() as connection:
        discard_attempt(connection, unsent)
    assert isinstance(ask(run, 3, "0.5", cap), int)
    with pytest.raises(BudgetExceeded):
        ask(run, 4, "0.6", cap)


@pytest.mark.parametrize("cap", [None, "1"])
def test_the_calls_of_a_dead_process_count_as_spent_until_one_answers_after_all(run: Run, cap: str | None) -> None:
    with run.database.write() as connection:
        register_worker(connection, "w", "w@here", [])
    attempt = ask(run, 0, "0.7", cap)
    with run.database.write() as connection:
        assert len(retire_worker(connection, "w")) == 1
    with pytest.raises(BudgetExceeded):
        ask(run, 1, "0.4", cap)
    close(run, attempt, "0.01")
    assert isinstance(ask(run, 2, "0.4", cap), int)


def test_racing_calls_never_set_more_aside_than_the_bound(run: Run) -> None:
    with ThreadPoolExecutor(8) as pool:
        opened = [isinstance(room, int) for room in pool.map(lambda member: ask(run, member, "0.1"), range(MEMBERS))]
    assert sum(opened) == 10


def test_a_daily_cap_holds_over_all_jobs_of_its_tenant_and_no_others(database: Database) -> None:
    one, two = (begin(database, Call(model="a"), tenant="acme") for _ in range(2))
    other = begin(database, Call(model="a"), tenant="other")

    def spend(run: Run, amount: str) -> Room:
        job = run.must_claim("$").job
        with database.write() as connection:
            return reserve(connection, job, Decimal(amount), [Bound(Period.DAY, Decimal(1))])

    assert spend(one, "0.8") is Room.ENOUGH
    assert spend(two, "0.8") is Room.LATER
    assert spend(other, "0.8") is Room.ENOUGH


def test_what_a_job_may_cost_is_accepted_with_it(database: Database) -> None:
    with database.write() as connection:
        accept_jobs(connection, "test", Call(model="a"), [Submission("x", max_cost=Decimal("0.000001"))])
    run = begin(database, Call(model="a"), max_cost=Decimal("0.25"))
    assert run.must_claim("$").job.max_cost == Decimal("0.25")
