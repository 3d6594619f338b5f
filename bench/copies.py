"""A ledger as large as one likes: the rows of some real jobs, copied with ids and times of their own."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

from mirepoix.ledger.words import words_of

TABLES = ("jobs", "steps", "decisions", "attempts", "step_events", "job_texts")
SPREAD = timedelta(days=30)
LATE_SHARE, LATE_SPREAD = 0.05, timedelta(hours=1)
"""So much of all happens in the last hour."""
OPEN_JOBS = 2_000
ONE_FAILS_IN = 1_000
BATCH = 20_000

Starts = Callable[[int, datetime], Iterable[datetime]]
"""When so many jobs begin, up to a moment."""
Value = Any
"""Whatever SQLite gives for a column."""


@dataclass(frozen=True, slots=True)
class _Template:
    """The rows of one job; times as distances from its submission."""

    rows: dict[str, list[dict[str, Value]]]


def evenly(count: int, until: datetime) -> Iterator[datetime]:
    """So many moments of the last month, in order; every twentieth of them in its last hour."""
    early = round(count * (1 - LATE_SHARE))
    for index in range(early):
        yield until - SPREAD + (SPREAD - LATE_SPREAD) * index / early
    for index in range(count - early):
        yield until - LATE_SPREAD + LATE_SPREAD * index / (count - early)


def multiply(
    ledger: Path, attempts: int, until: datetime, *, starts: Starts = evenly, open_jobs: int = OPEN_JOBS
) -> int:
    """Copy the jobs in the SQLite file `ledger` until it has so many attempts, the last at `until`; returns its jobs.

    Each copy has an input of its own, and begins at one of `starts`. The newest `open_jobs` are left open, with steps
    that wait; a few fail.
    """
    with closing(sqlite3.connect(ledger)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous=OFF")
        templates = list(_templates(connection))
        per_job = sum(len(template.rows["attempts"]) for template in templates) / len(templates)
        count = round(attempts / per_job)
        for number, (template, start) in enumerate(zip(cycle(templates), starts(count, until), strict=False)):
            _copy(connection, template, number, start)
            if number % BATCH == 0:
                connection.commit()
        if open_jobs:
            _leave_open(connection, count, open_jobs)
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("ANALYZE")
        return count


def _templates(connection: sqlite3.Connection) -> Iterator[_Template]:
    for job in connection.execute("SELECT * FROM jobs WHERE state = 'succeeded'").fetchall():
        born = datetime.fromisoformat(job["created_at"])
        rows = {"jobs": [_relative(job, born)]}
        for table in TABLES[1:]:
            found = connection.execute(f"SELECT * FROM {table} WHERE job_id = ?", (job["id"],)).fetchall()
            rows[table] = [_relative(row, born) for row in found]
        yield _Template(rows)


def _relative(row: sqlite3.Row, born: datetime) -> dict[str, Value]:
    values = {name: row[name] for name in row.keys() if name != "id" or isinstance(row[name], str)}  # noqa: SIM118 (iterating over a Row gives its values)
    return {
        name: datetime.fromisoformat(value) - born if name.endswith("_at") and value is not None else value
        for name, value in values.items()
    }


def _copy(connection: sqlite3.Connection, template: _Template, number: int, start: datetime) -> None:
    job, input_hash = f"{number:026d}", f"{number:064x}"
    question = f"What is {number} plus one?"
    connection.execute("INSERT INTO contents VALUES (?, ?, ?)", (input_hash, json.dumps(question), _text(start)))
    for table, rows in template.rows.items():
        for row in rows:
            values = {
                name: _text(start + value) if isinstance(value, timedelta) else value for name, value in row.items()
            }
            if table == "jobs":
                values |= {"id": job, "input_hash": input_hash, "key": None}
            else:
                values["job_id"] = job
            if table == "job_texts":
                values["words"] = f"{words_of(question)} {values['words']}"
            _insert(connection, table, list(values), list(values.values()))


def _insert(connection: sqlite3.Connection, table: str, names: Sequence[str], values: Sequence[Value]) -> None:
    marks = ", ".join("?" * len(names))
    connection.execute(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", values)


def _leave_open(connection: sqlite3.Connection, count: int, open_jobs: int) -> None:
    first_open = f"{count - open_jobs:026d}"
    connection.execute("UPDATE jobs SET state = 'running', finished_at = NULL WHERE id >= ?", (first_open,))
    connection.execute(
        "UPDATE steps SET state = 'pending', finished_at = NULL, due_at = started_at WHERE job_id >= ?", (first_open,)
    )
    connection.execute(
        "UPDATE jobs SET state = 'failed' WHERE id < ? AND CAST(id AS INTEGER) % ? = 0", (first_open, ONE_FAILS_IN)
    )


def _text(moment: datetime) -> str:
    return moment.isoformat(" ", "microseconds")
