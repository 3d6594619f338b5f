"""One connection pool to the ledger, and the two kinds of transactions on it."""

from __future__ import annotations

import math
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, create_engine, event, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InterfaceError, InvalidatePoolError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

if sys.platform != "win32":
    import fcntl

from mirepoix.errors import LedgerError
from mirepoix.settings import masked

SQLITE_WAIT = 30.0
CONNECTIONS = 20
"""Of one process at the most; whoever needs one more waits until one is given back."""
PREPARED_AFTER = 1
"""How often a connection sends a statement before PostgreSQL keeps its plan; the statements of a job are few."""
TRUSTED = 1.0
"""Seconds for which a connection may rest and is then used without asking first whether it still works."""


class Database:
    """A lazily connected engine; `read()` and `write()` give a connection inside one transaction."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _connect(url)
        self._writing = self.engine.execution_options(writes=True)
        parts = make_url(url)
        queues = parts.get_backend_name() == "sqlite" and parts.database and sys.platform != "win32"
        self._queue = Path(f"{parts.database}.turn") if queues else None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that changes nothing.

        On SQLite it sees one state of the ledger. On PostgreSQL each statement sees what is committed when it begins,
        as it would in a transaction there; without one there is none to begin and to end.
        """
        with self._errors_explained(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is committed at the end, or rolled back by an exception.

        On SQLite it takes the write lock at once (BEGIN IMMEDIATE): a transaction that reads first and writes later
        would otherwise fail when another writer came between.
        """
        with self._errors_explained(), self._turn(), self._writing.begin() as connection:
            yield connection

    def require_migrated(self) -> None:
        """Raise LedgerError unless the tables are there."""
        with self.read() as connection:
            if not inspect(connection).has_table("steps"):
                raise LedgerError(f"the database {masked(self.url)} has no tables yet. Run `mirepoix migrate`.")

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Let the writers of a SQLite ledger, of all processes, have it in the order in which they came.

        Who waits for SQLite's own lock sleeps and tries again: under load some tried for seconds and never were lucky,
        and a process whose beat was among them counted as dead. The system's lock on a file keeps a queue, and wakes.
        """
        if self._queue is None:
            yield
            return
        turn = os.open(self._queue, os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(turn, fcntl.LOCK_EX)
            yield
        finally:
            os.close(turn)

    @contextmanager
    def _errors_explained(self) -> Iterator[None]:
        try:
            yield
        except (InterfaceError, OperationalError, ProgrammingError) as error:
            raise LedgerError(_explain(error, self.url)) from error
        except PoolTimeout as error:
            raise LedgerError(f"all connections to the database {masked(self.url)} are busy: {error}.") from error


def _explain(error: InterfaceError | OperationalError | ProgrammingError, url: str) -> str:
    cause = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
    if "no such table" in cause or ("does not exist" in cause and "relation" in cause):
        return f"the database {masked(url)} has no tables yet. Run `mirepoix migrate`."
    return f"the database {masked(url)} does not answer: {cause}."


def _connect(url: str) -> Engine:
    """The connection that was given back last is taken first: it has the statements of a job prepared."""
    if make_url(url).get_backend_name() != "sqlite":
        prepare = {"prepare_threshold": PREPARED_AFTER}
        engine = create_engine(url, pool_size=CONNECTIONS, max_overflow=0, pool_use_lifo=True, connect_args=prepare)
        event.listen(engine, "checkin", _note_rest)
        event.listen(engine, "checkout", partial(_ask_if_rested, engine.dialect))
        event.listen(engine, "begin", _begin_postgresql)
        return engine
    Path(make_url(url).database or "").parent.mkdir(parents=True, exist_ok=True)
    wait = {"timeout": SQLITE_WAIT}
    engine = create_engine(url, pool_size=CONNECTIONS, max_overflow=0, pool_use_lifo=True, connect_args=wait)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _note_rest(connection: Any, record: ConnectionPoolEntry) -> None:
    record.info["rests_since"] = time.monotonic()


def _ask_if_rested(dialect: Dialect, connection: Any, record: ConnectionPoolEntry, proxy: Any) -> None:
    """Replace a connection that broke while it rested.

    To ask each time is a round trip for each transaction; one that breaks in use is an error that its task survives.
    """
    if time.monotonic() - record.info.get("rests_since", math.inf) < TRUSTED:
        return
    try:
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        raise InvalidatePoolError from error


def _begin_postgresql(connection: Connection) -> None:
    """Let psycopg open a transaction with the first statement, if it is to write.

    A read is none: to end it, psycopg would roll it back, and throw away what the connection has prepared.
    """
    alone = not _writes(connection)
    driver: Any = connection.connection.driver_connection
    if driver.autocommit != alone:
        driver.autocommit = alone


def _prepare_sqlite(connection: sqlite3.Connection, record: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if _writes(connection) else "BEGIN")


def _writes(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get("writes", False))
