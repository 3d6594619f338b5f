"""Fresh databases for tests: SQLite in a folder, or on the server in MIREPOIX_TEST_DATABASE_URL."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url


@contextmanager
def fresh_database(folder: Path) -> Iterator[str]:
    """The URL of an empty database that is gone afterwards."""
    server = os.environ.get("MIREPOIX_TEST_DATABASE_URL")
    if not server:
        yield f"sqlite:///{folder / 'ledger.sqlite3'}"
        return
    name = f"test_{secrets.token_hex(6)}"
    admin = make_url(server).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
        try:
            yield make_url(server).set(database=name).render_as_string(hide_password=False)
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
