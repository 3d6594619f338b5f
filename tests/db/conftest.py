"""A migrated ledger for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from db.migrate import migrate
from mirepoix.ledger.engine import Database
from tests.databases import fresh_database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """On SQLite, or on the PostgreSQL that the environment names."""
    with fresh_database(tmp_path) as url:
        opened = Database(url)
        migrate(opened)
        yield opened
        opened.close()
