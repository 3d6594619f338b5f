"""Remembered sums: always those of the ledger, and read once where nothing can change any more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import event, insert, update

from db.migrate import migrate
from mirepoix import Call
from mirepoix.ledger.accept import Submission, accept_jobs
from mirepoix.ledger.engine import Database
from mirepoix.ledger.tables import Attempt, Job
from tests.databases import fresh_database
from web.pages.sums import SpanSums

NOON = datetime(2026, 5, 20, 12, 0, 30, tzinfo=UTC)
CENT = Decimal("0.01")


class Ledger:
    """Attempts at chosen moments."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.queries = 0
        with database.write() as connection:
            self.job = accept_jobs(connection, "ask", Call(model="a"), [Submission("x")])[0].job_id
            self.hash = connection.scalar(Job.__table__.select().with_only_columns(Job.input_hash))
        event.listen(database.engine, "before_cursor_execute", self._count)
        self.number = 0

    def add(self, started_at: datetime, *, finished: bool = True) -> None:
        """One that cost a cent, or has no outcome yet."""
        self.number += 1
        end = started_at + timedelta(seconds=1) if finished else None
        row = {
            "job_id": self.job,
            "path": "$",
            "epoch": 1,
            "number": self.number,
            "provider": "p",
            "model": "m",
            "wire_name": "m",
            "prompt_hash": self.hash,
            "estimated": False,
            "reserved": CENT,
            "cost": CENT if finished else None,
            "started_at": started_at,
            "finished_at": end,
        }
        with self.database.write() as connection:
            connection.execute(insert(Attempt).values(row))

    def finish(self) -> None:
        """All that have no outcome get one."""
        with self.database.write() as connection:
            connection.execute(
                update(Attempt).where(Attempt.finished_at.is_(None)).values(finished_at=Attempt.started_at, cost=CENT)
            )

    def _count(self, connection: object, cursor: object, statement: str, *rest: object) -> None:
        self.queries += statement.startswith("SELECT")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Empty but for one job."""
    with fresh_database(tmp_path) as url:
        database = Database(url)
        migrate(database)
        yield Ledger(database)
        database.close()


def cents(sums: SpanSums, days: int, at: datetime) -> list[int]:
    """What each day cost."""
    return [int(sum((row.cost_usd for row in day.models), Decimal(0)) / CENT) for day in sums.last_days(days, at)]


def test_days_are_summed_to_the_last_attempt(ledger: Ledger) -> None:
    for hours in (0, 1, 1, 11, 13, 30, 36.5, 37):
        ledger.add(NOON - timedelta(hours=hours))
    sums = SpanSums(ledger.database)
    assert cents(sums, 3, NOON) == [2, 2, 4]
    ledger.add(NOON + timedelta(seconds=20))
    assert cents(sums, 3, NOON + timedelta(seconds=25)) == [2, 2, 5]


def test_what_is_over_is_read_once(ledger: Ledger) -> None:
    for hours in range(72):
        ledger.add(NOON - timedelta(hours=hours))
    sums = SpanSums(ledger.database)
    first = cents(sums, 30, NOON)
    ledger.queries = 0
    assert cents(sums, 30, NOON + timedelta(seconds=5)) == first
    assert ledger.queries <= 3, "minutes that may still change"


def test_an_attempt_without_an_outcome_is_looked_at_until_it_has_one(ledger: Ledger) -> None:
    early = NOON - timedelta(hours=13)
    ledger.add(early)
    ledger.add(early + timedelta(minutes=1), finished=False)
    sums = SpanSums(ledger.database)
    for _ in range(3):
        assert cents(sums, 2, NOON) == [1, 0]
    ledger.finish()
    assert cents(sums, 2, NOON) == [2, 0]


def test_minutes_are_counted_one_by_one(ledger: Ledger) -> None:
    for seconds in (0, 20, 31, 95, 3600):
        ledger.add(NOON - timedelta(seconds=seconds))
    minutes = SpanSums(ledger.database).last_minutes(60, NOON)
    assert len(minutes) == 60
    assert minutes[-1][0] == NOON.replace(second=0)
    assert [sum(row.attempts for row in rows) for _, rows in minutes[-3:]] == [1, 1, 2]
