"""A ledger as large as one likes: the rows of some real jobs, copied with ids, texts and times of their own.

Each statement copies many rows; they are the same on every database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import cycle, islice
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    func,
    insert,
    literal,
    null,
    select,
    text,
    update,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from mirepoix.ledger.contents import encode
from mirepoix.ledger.engine import Database
from mirepoix.ledger.tables import Attempt, Base, Content, Job, Step, Utc
from mirepoix.ledger.words import words_of
from mirepoix.states import JobState, Lane, StepState

JOBS, ATTEMPTS, WORDS = (Base.metadata.tables[name] for name in ("jobs", "attempts", "job_texts"))
TABLES = (JOBS, ATTEMPTS, WORDS, *(Base.metadata.tables[name] for name in ("steps", "decisions", "step_events")))
SPREAD = timedelta(days=30)
LATE_SHARE, LATE_SPREAD = 0.05, timedelta(hours=1)
"""So much of all happens in the last hour."""
OPEN_JOBS = 2_000
ONE_FAILS_IN = 1_000
BATCH = 100_000
CACHE_KB = 400_000
"""For SQLite: texts go to random places of their index by hash, which should be in memory then."""

Starts = Callable[[int, datetime], Iterable[datetime]]
"""When so many jobs begin, up to a moment."""

_COPIES = Table(
    "copies",
    MetaData(),
    Column("template", String(26)),
    Column("job", String(26), primary_key=True),
    Column("number", Integer),
    Column("begins", Utc),
    Column("shift", Float),
    Column("words", Text),
    Column("input_hash", String(64)),
    Column("input_body", Text),
    Column("prompt_hash", String(64)),
    Column("prompt_body", Text),
    prefixes=["TEMPORARY"],
)
"""The copies that are being made; `shift` is by how many seconds each begins later than its template."""


def evenly(count: int, until: datetime) -> Iterator[datetime]:
    """So many moments of the last month, in order; every twentieth of them in its last hour."""
    early = round(count * (1 - LATE_SHARE))
    for index in range(early):
        yield until - SPREAD + (SPREAD - LATE_SPREAD) * index / early
    for index in range(count - early):
        yield until - LATE_SPREAD + LATE_SPREAD * index / (count - early)


def multiply(
    database: Database, attempts: int, until: datetime, *, starts: Starts = evenly, open_jobs: int = OPEN_JOBS
) -> int:
    """Copy the jobs that succeeded until there are so many attempts, the last at `until` (UTC); returns the new jobs.

    Each copy has an input and a prompt of its own, and begins at one of `starts`. The newest `open_jobs` are left open,
    with steps that wait; a few fail.
    """
    with database.read() as connection:
        templates = connection.execute(
            select(Job.id, Job.created_at, func.count(Attempt.id).label("attempts"))
            .join(Attempt, Attempt.job_id == Job.id)
            .where(Job.state == JobState.SUCCEEDED)
            .group_by(Job.id, Job.created_at)
            .order_by(Job.id)
        ).all()
    count: int = round(attempts * len(templates) / sum(template.attempts for template in templates))
    begins = zip(cycle(templates), starts(count, until))
    copies = (_copy(n, template.id, template.created_at, start) for n, (template, start) in enumerate(begins))
    with _indexed_later(database, TABLES):
        _write(database, copies, {table: {} for table in TABLES})
    if open_jobs:
        _leave_open(database, count, open_jobs)
    return count


def queue_up(database: Database, template: str, jobs: int, at: datetime, *, tenant: str) -> list[str]:
    """Copy the job `template` as so many of `tenant` that were accepted at `at` and wait to be started; their ids.

    What remains to be done is to publish them.
    """
    with database.read() as connection:
        born = connection.execute(select(Job.created_at).where(Job.id == template)).scalar_one()
    waits = {
        "tenant": literal(tenant),
        "state": literal(JobState.QUEUED.value),
        "lane": literal(Lane.BULK.value),
        "due_at": _COPIES.c.begins,
        "output_hash": null(),
        "started_at": null(),
        "finished_at": null(),
        "filed_at": null(),
    }
    copies = [_copy(number, template, born, at, prefix="W") for number in range(jobs)]
    _write(database, iter(copies), {JOBS: waits})
    return [copy["job"] for copy in copies]


def analyze(database: Database) -> None:
    """Count what is in the indexes, for the planner of queries."""
    with database.write() as connection:
        connection.execute(text("ANALYZE"))


@contextmanager
def _indexed_later(database: Database, tables: Iterable[Table]) -> Iterator[None]:
    """Drop the indexes of `tables`, and build them again afterwards: to sort once takes less than to place each row."""
    indexes = [index for table in tables for index in table.indexes]
    with database.write() as connection:
        for index in indexes:
            index.drop(connection)
    yield
    with database.write() as connection:
        for index in indexes:
            index.create(connection)


def _copy(number: int, template: str, born: datetime, begins: datetime, *, prefix: str = "") -> dict[str, Any]:
    question = f"What is {number} plus one?"
    input_hash, input_body = encode(f"{prefix}{question}")
    prompt_hash, prompt_body = encode({"messages": [{"role": "user", "content": f"{prefix}{question}"}]})
    return {
        "template": template,
        "job": f"{prefix}{number:0{26 - len(prefix)}d}",
        "number": number,
        "begins": begins,
        "shift": (begins - born).total_seconds(),
        "words": words_of(question),
        "input_hash": input_hash,
        "input_body": input_body,
        "prompt_hash": prompt_hash,
        "prompt_body": prompt_body,
    }


Values = Mapping[str, ColumnElement[Any]]
"""What some columns get instead of what they have in the template."""


def _write(database: Database, copies: Iterator[dict[str, Any]], tables: Mapping[Table, Values]) -> None:
    """Copy the rows of `tables`, some jobs in a transaction, and put their texts away."""
    while some := list(islice(copies, BATCH)):
        with database.write() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql(f"PRAGMA cache_size=-{CACHE_KB}")
            _COPIES.create(connection)
            connection.execute(insert(_COPIES), some)
            for table, instead in tables.items():
                _copy_rows(connection, table, instead)
            for kind in ("input", "prompt") if ATTEMPTS in tables else ("input",):
                hashes = _COPIES.c[f"{kind}_hash"]
                texts = select(hashes, _COPIES.c[f"{kind}_body"], _COPIES.c.begins).order_by(hashes)
                connection.execute(insert(Content).from_select(["hash", "body", "created_at"], texts))
            _COPIES.drop(connection)


def _copy_rows(connection: Connection, table: Table, instead: Values) -> None:
    job = table.c.id if table is JOBS else table.c.job_id
    kept = [column for column in table.c if table is JOBS or column.name != "id"]
    values = [instead[column.key] if column.key in instead else _value(connection, column) for column in kept]
    rows = select(*values).join_from(_COPIES, table, job == _COPIES.c.template).order_by(_COPIES.c.job)
    connection.execute(insert(table).from_select(kept, rows))


def _value(connection: Connection, column: Column[Any]) -> ColumnElement[Any]:
    if (column.table is JOBS and column.name == "id") or column.name == "job_id":
        return _COPIES.c.job
    if column.table is JOBS and column.name == "key":
        return null()
    if column.name in ("input_hash", "prompt_hash"):
        return _COPIES.c[column.name]
    if column.table is WORDS and column.name == "words":
        if connection.dialect.name == "sqlite":
            return _COPIES.c.words + " " + column
        return func.to_tsvector("simple", _COPIES.c.words).op("||")(column)
    return _Later(column, _COPIES.c.shift) if isinstance(column.type, Utc) else column


class _Later(FunctionElement[datetime]):
    """`_Later(moment, seconds)`: that moment and so many seconds."""

    type = Utc()
    inherit_cache = True


@compiles(_Later, "postgresql")
def _later_on_postgresql(element: _Later, compiler: SQLCompiler, **options: Any) -> str:
    moment, seconds = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{moment} + {seconds} * interval '1 second'"


@compiles(_Later, "sqlite")
def _later_on_sqlite(element: _Later, compiler: SQLCompiler, **options: Any) -> str:
    moment, seconds = (compiler.process(clause, **options) for clause in element.clauses)
    return f"(strftime('%Y-%m-%d %H:%M:%f', julianday({moment}) + {seconds} / 86400.0) || '000')"


def _leave_open(database: Database, count: int, open_jobs: int) -> None:
    first_open = f"{count - open_jobs:026d}"
    copied = (Job.id >= "0" * 26) & (Job.id < f"{count:026d}")
    failing = [f"{number:026d}" for number in range(0, count - open_jobs, ONE_FAILS_IN)]
    with database.write() as connection:
        connection.execute(
            update(Job).where(copied, Job.id >= first_open).values(state=JobState.RUNNING, finished_at=None)
        )
        of_open = Step.job_id.in_(select(Job.id).where(copied, Job.id >= first_open))
        waits = {"state": StepState.PENDING, "finished_at": None, "due_at": Step.started_at}
        connection.execute(update(Step).where(of_open).values(waits))
        connection.execute(update(Job).where(Job.id.in_(failing)).values(state=JobState.FAILED))
