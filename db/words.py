"""SQLite's full-text index keeps words of deleted rows until its parts are merged; on PostgreSQL, vacuum does that."""

from __future__ import annotations

from sqlalchemy import text

from mirepoix.ledger.engine import Database

PAGES = 500
"""Written in one transaction, roughly; some 10 ms."""


def merge_words(database: Database) -> None:
    """Merge all parts of the index into one, which holds nothing of what is deleted (sqlite.org/fts5.html, 6.7)."""
    if database.engine.dialect.name != "sqlite":
        return
    pages = -PAGES
    while _merge(database, pages) >= 2:
        pages = PAGES


def _merge(database: Database, pages: int) -> int:
    """How many rows were changed; fewer than two: there is nothing left to merge."""
    with database.write() as connection:
        driver = connection.connection.driver_connection
        before: int = getattr(driver, "total_changes", 0)
        connection.execute(text("INSERT INTO job_words (job_words, rank) VALUES ('merge', :pages)"), {"pages": pages})
        after: int = getattr(driver, "total_changes", 0)
        return after - before
