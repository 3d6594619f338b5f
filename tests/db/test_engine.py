"""How the ledger's connections are used: kept, prepared, replaced when they broke."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import Connection, text

from mirepoix.errors import LedgerError
from mirepoix.ledger import engine
from mirepoix.ledger.engine import Database

WHO = text("SELECT pg_backend_pid()")
PREPARED = text("SELECT count(*) FROM pg_prepared_statements")


def on_postgresql(database: Database) -> None:
    if database.engine.dialect.name != "postgresql":
        pytest.skip("only PostgreSQL has sessions")


def write_and_fail(connection: Connection) -> None:
    connection.execute(text("INSERT INTO marks VALUES (1)"))
    connection.execute(text("INSERT INTO nowhere VALUES (1)"))


def test_a_connection_that_broke_while_it_rested_is_replaced(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_postgresql(database)
    monkeypatch.setattr(engine, "TRUSTED", 0.0)  # or the test would have to rest for so long
    with database.read() as connection:
        broken = connection.execute(WHO).scalar_one()
        with database.write() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": broken})
    time.sleep(0.1)  # in which its server process ends
    with database.write() as connection:
        assert connection.execute(WHO).scalar_one() != broken


def test_a_read_leaves_what_is_prepared(database: Database) -> None:
    on_postgresql(database)
    for _ in range(3):
        with database.write() as connection:
            connection.execute(WHO)
    with database.read() as connection:
        prepared = connection.execute(PREPARED).scalar_one()
    with database.read() as connection:
        assert connection.execute(PREPARED).scalar_one() >= prepared > 0


def test_a_write_that_fails_leaves_nothing_and_a_read_after_it_sees_that(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("CREATE TABLE marks (mark INTEGER)"))
    with pytest.raises(LedgerError), database.write() as connection:
        write_and_fail(connection)
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM marks")).scalar_one() == 0
