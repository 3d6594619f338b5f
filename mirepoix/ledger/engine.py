"""One connection pool to the ledger, and the two kinds of transactions on it."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

if sys.platform != "win32":
    import fcntl

from mirepoix.errors import LedgerError
from mirepoix.settings import masked

SQLITE_WAIT = 30.0
POOL_SIZE = 20


class Database:
    """A lazily connected engine; `read()` and `write()` give a connection inside one transaction."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _connect(url)
        parts = make_url(url)
        queues = parts.get_backend_name() == "sqlite" and parts.database and sys.platform != "win32"
        self._queue = Path(f"{parts.database}.turn") if queues else None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the ledger and changes nothing."""
        with self._errors_explained(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is committed at the end, or rolled back by an exception.

        On SQLite it takes the write lock at once (BEGIN IMMEDIATE): a transaction that reads first and writes later
        would otherwise fail when another writer came between.
        """
        with self._errors_explained(), self._turn(), self.engine.connect() as plain:
            connection = plain.execution_options(immediate=True)
            with connection.begin():
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
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url, pool_size=POOL_SIZE, max_overflow=POOL_SIZE, pool_pre_ping=True)
    Path(make_url(url).database or "").parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, pool_size=POOL_SIZE, max_overflow=POOL_SIZE, connect_args={"timeout": SQLITE_WAIT})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, record: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
