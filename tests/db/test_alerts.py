"""Alerts on budgets are written once each, in the transaction in which they come true."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from db.attempts import Asked, Outcome, close_attempt, open_attempt
from db.budgets import reserve, tenant_accounts
from db.deliveries import record_delivered, record_undelivered, take_due
from db.locks import lock_job
from mirepoix import Call, Ensemble
from mirepoix.caps import Alert, Bound, Period
from mirepoix.errors import BudgetExceeded
from mirepoix.ledger.engine import Database
from mirepoix.ledger.tables import Delivery, now
from tests.db.ledger import Run, begin

MEMBERS = 40
ALERTS = (Alert(at=(50, 80, 100), webhook="https://one.example/"), Alert(at=(80,), webhook="https://two.example/"))


@pytest.fixture
def run(database: Database) -> Run:
    """A job of many calls of one tenant."""
    return begin(database, Ensemble(members=(Call(model="a"),) * MEMBERS), tenant="acme")


def bounds(daily: str, monthly: str | None = None) -> list[Bound]:
    """Caps with alerts on them."""
    month = [] if monthly is None else [Bound(Period.MONTH, Decimal(monthly), ALERTS)]
    return [Bound(Period.DAY, Decimal(daily), ALERTS), *month]


def spend(run: Run, member: int, cost: str, caps: list[Bound]) -> None:
    """Let a member's call cost what it reserved."""
    claim = run.must_claim(f"members.{member}", "w")
    with run.database.write() as connection:
        reserve(connection, lock_job(connection, run.job_id), Decimal(cost), caps)
        asked = Asked("one", "a", "wire", {"prompt": "x"}, Decimal(cost))
        attempt = open_attempt(connection, claim, asked)
    with run.database.write() as connection:
        close_attempt(connection, attempt, Outcome(latency=0.1, cost=Decimal(cost)))


def told(run: Run) -> list[tuple[str, str, int]]:
    """Which alerts stand in the outbox: the period, where to, at what share."""
    with run.database.read() as connection:
        rows = connection.execute(select(Delivery.payload, Delivery.url).order_by(Delivery.id)).all()
    return sorted((payload["period"], url, payload["at"]) for payload, url in rows)


def test_each_share_is_told_once_to_everyone_who_asked(run: Run) -> None:
    today = Period.DAY.of(now())
    one, two = (str(alert.webhook) for alert in ALERTS)
    spend(run, 0, "0.49", bounds("1"))
    assert told(run) == []
    spend(run, 1, "0.01", bounds("1"))
    assert told(run) == [(today, one, 50)]
    spend(run, 2, "0.4", bounds("1"))
    spend(run, 3, "0.1", bounds("1"))
    assert told(run) == sorted([(today, one, 50), (today, one, 80), (today, two, 80), (today, one, 100)])


def test_a_cap_that_turns_a_call_away_counts_as_reached_if_that_transaction_stands(run: Run) -> None:
    def be_turned_away(*, stands: bool) -> None:
        with run.database.write() as connection:
            try:
                reserve(connection, lock_job(connection, run.job_id), Decimal("0.9"), bounds("1"))
            except BudgetExceeded:
                if not stands:
                    raise

    spend(run, 0, "0.2", bounds("1"))
    with pytest.raises(BudgetExceeded):
        be_turned_away(stands=False)
    assert told(run) == []
    be_turned_away(stands=True)
    be_turned_away(stands=True)
    assert [at for _, _, at in told(run)] == [100]


def test_day_and_month_are_counted_and_told_apart(run: Run) -> None:
    spend(run, 0, "0.5", bounds("1", "10"))
    with run.database.read() as connection:
        accounts = tenant_accounts(connection, now())
    assert {period: account.left for (_, period), account in accounts.items()} == {
        Period.DAY: Decimal("0.5"),
        Period.MONTH: Decimal("9.5"),
    }
    assert [(period, at) for period, _, at in told(run)] == [(Period.DAY.of(now()), 50)]
    with pytest.raises(BudgetExceeded, match=r"may spend 0\.6 USD a month"):
        spend(run, 1, "0.2", bounds("1", "0.6"))


def test_racing_settles_write_each_alert_once(run: Run) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda member: spend(run, member, "0.025", bounds("1", "2")), range(MEMBERS)))
    counts = Counter(told(run))
    assert set(counts.values()) == {1}
    assert len(counts) == 5, (
        counts
    )  # 4 of the day, which is spent to the last cent; 1 of the month, which is half spent


def test_racing_messengers_never_take_the_same_delivery(run: Run) -> None:
    for member in range(10):
        spend(
            run,
            member,
            "0.1",
            [Bound(Period.DAY, Decimal(1), (Alert(at=(member + 1,), webhook=f"https://x/{member}"),))],
        )

    def take() -> list[str]:
        with run.database.write() as connection:
            return [due.id for due in take_due(connection, timedelta(minutes=1), 3)]

    with ThreadPoolExecutor(8) as pool:
        taken = [id_ for batch in pool.map(lambda _: take(), range(8)) for id_ in batch]
    assert sorted(taken) == sorted(set(taken))
    assert len(taken) == 10


def test_what_a_dead_messenger_had_taken_comes_back_and_its_late_word_changes_nothing(run: Run) -> None:
    spend(run, 0, "0.6", bounds("1"))
    with run.database.write() as connection:
        (first,) = take_due(connection, timedelta(0), 10)
        (second,) = take_due(connection, timedelta(minutes=1), 10)
        assert (first.id, first.tries, second.id, second.tries) == (second.id, 1, first.id, 2)
        record_undelivered(connection, first, 500, "late", None)
        record_delivered(connection, second, 204)
        assert connection.execute(select(Delivery.state, Delivery.status, Delivery.due_at)).one() == (
            "delivered",
            204,
            None,
        )
