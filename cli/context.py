"""Settings, configuration and client for a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from db.migrate import require_current
from mirepoix.client import Client
from mirepoix.config import Config
from mirepoix.config_file import load_config
from mirepoix.ledger.engine import Database
from mirepoix.settings import Settings


def settings() -> Settings:
    """From the environment."""
    return Settings.from_env()


def config(given: Settings) -> Config:
    """The configuration file that `given` points to."""
    return load_config(given.config_path)


@contextmanager
def ledger(given: Settings) -> Iterator[Connection]:
    """To read a ledger that has today's tables, without a client. Raises LedgerError."""
    database = Database(given.database_url)
    try:
        require_current(database)
        with database.read() as connection:
            yield connection
    finally:
        database.close()


def client() -> Client:
    """A client on a database that is ready; raises LedgerError."""
    given = settings()
    if given.exports_spans:
        _record_spans()
    opened = Client(given)
    opened.database.require_migrated()
    return opened


def _record_spans() -> None:
    """Send what this command records to the collector, at its end; without the extra `otel` it records nothing."""
    try:
        from opentelemetry import trace

        from mirepoix.spans import open_export

        trace.set_tracer_provider(open_export("mirepoix"))
    except ImportError:
        return
