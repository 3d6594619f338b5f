"""g. What the ledger takes for a call, and what it would with other commits: after each row, or for many calls at once.

One writer, who does nothing else: jobs are accepted, begun, claimed, asked about and answered. What is used is a
transaction for each of these steps of a job; several jobs are accepted together.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, func, select
from ulid import ULID

from bench.contestants.question import BODY, MAX_TOKENS
from bench.house import database_pids
from bench.meter import Meter
from bench.provider import ANSWER, MODEL
from bench.result import Figure, Goal, Result, Row
from bench.scale import Scale
from bench.servers import missing, postgresql
from db.answers import answer_step
from db.attempts import Asked, Outcome, close_attempt, open_attempt
from db.migrate import migrate
from db.starts import begin_jobs
from db.steps import add_steps, claim_step
from mirepoix import Call
from mirepoix.ledger.accept import Submission, accept_jobs
from mirepoix.ledger.engine import Database
from mirepoix.ledger.tables import Attempt, Content, Job, Step
from mirepoix.paths import ROOT, root
from mirepoix.prices import Usage
from pipelines.plan import plan

TITLE = "the ledger alone: one writer, all rows of jobs with one call"
SPEC = Call(model="mini", max_tokens=MAX_TOKENS)
OUTCOME = Outcome(latency=1.0, answer=ANSWER, status=200, usage=Usage(input=14, output=1), cost=Decimal("0.00001"))
WRITES = ("INSERT", "UPDATE", "DELETE")
TOGETHER = 50
"""Jobs that are accepted together, and whose calls have one commit where many have."""
RATE = "rows"

Transaction = Callable[[], AbstractContextManager[Connection]]


@dataclass(frozen=True, slots=True)
class Size:
    """Jobs that are written in each round of each way, a multiple of `TOGETHER`; as many as that in the first, which
    does not count.
    """

    jobs: int
    rounds: int


SIZES = {Scale.QUICK: Size(jobs=TOGETHER, rounds=1), Scale.FULL: Size(jobs=4 * TOGETHER, rounds=3)}


@dataclass(frozen=True, slots=True)
class Measured:
    """What one round of one way took: seconds, CPU seconds of writer and server, rows that were added, commits."""

    seconds: float
    writer: float
    server: float
    rows: int
    commits: int


def run(scale: Scale) -> Result:
    """Measure each way on each database."""
    size = SIZES[scale]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        urls = {"SQLite": f"sqlite:///{Path(folder, 'ledger.sqlite3')}"}
        absent = missing()
        if absent is None:
            urls["PostgreSQL"] = stack.enter_context(postgresql())
        measured = {name: _ways(url, size) for name, url in urls.items()}
    rows = [
        _row(f"{name}, {way}", rounds, size.jobs) for name, ways in measured.items() for way, rounds in ways.items()
    ]
    if absent is not None:
        rows.append(Row(name="PostgreSQL", note=f"skipped: {absent}"))
    result = Result(section="g", title=TITLE, rows=tuple(rows), bars=(RATE,))
    return result.model_copy(update={"goals": tuple(_goal(result, name) for name in urls)})


def _ways(url: str, size: Size) -> dict[str, list[Measured]]:
    """Each way in turns."""
    measured: dict[str, list[Measured]] = {way: [] for way in WAYS}
    with closing(Database(url)) as database:
        migrate(database)
        meter = Meter({"server": database_pids(url)})
        for transactions in WAYS.values():
            _measure(database, meter, transactions, TOGETHER)
        for _ in range(size.rounds):
            for way, transactions in WAYS.items():
                measured[way].append(_measure(database, meter, transactions, size.jobs))
    return measured


def _measure(database: Database, meter: Meter, transactions: Transactions, jobs: int) -> Measured:
    before, commits = _rows(database), [0]

    def count(connection: Connection) -> None:
        commits[0] += 1

    event.listen(database.engine, "commit", count)
    meter.start()
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(0, jobs, TOGETHER):
        with transactions(database, commits) as transaction:
            _write(transaction)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    server = meter.stop()["server"].cpu
    event.remove(database.engine, "commit", count)
    return Measured(seconds, cpu, server, _rows(database) - before, commits[0])


def _write(transaction: Transaction) -> None:
    """All that some jobs with one call leave in a ledger; each has a text of its own."""
    with transaction() as connection:
        accepted = accept_jobs(connection, "bench", SPEC, [Submission(str(ULID())) for _ in range(TOGETHER)])
    for job_id in (job.job_id for job in accepted):
        with transaction() as connection:
            (job,) = begin_jobs(connection, [job_id])
            add_steps(connection, [(job, plan(root(SPEC)))], {"mini": "bench"})
        with transaction() as connection:
            claim = claim_step(connection, job_id, ROOT, "bench")
            assert claim is not None
            asked = Asked("bench", "mini", MODEL, BODY | {"user": job_id})
            attempt = open_attempt(connection, claim, asked)
        with transaction() as connection:
            assert answer_step(connection, claim, ANSWER).job_ended
            close_attempt(connection, attempt, OUTCOME)


Transactions = Callable[[Database, list[int]], AbstractContextManager[Transaction]]
"""A way to have transactions. What it commits beside SQLAlchemy it counts in the list."""


@contextmanager
def _as_used(database: Database, commits: list[int]) -> Iterator[Transaction]:
    yield database.write


@contextmanager
def _one_for_many(database: Database, commits: list[int]) -> Iterator[Transaction]:
    with database.write() as connection:
        yield lambda: nullcontext(connection)


@contextmanager
def _one_for_each_row(database: Database, commits: list[int]) -> Iterator[Transaction]:
    """As used, but what a statement has written is committed before the next one."""
    written = [False]

    def commit(connection: Connection, cursor: Any, statement: str, *_: object) -> None:
        """Before each statement, commit what the one before it has written."""
        if written[0]:
            commits[0] += 1
            if connection.dialect.name == "sqlite":
                cursor.execute("COMMIT")
                cursor.execute("BEGIN IMMEDIATE")
            else:
                cursor.connection.commit()
        written[0] = statement.startswith(WRITES)

    def end(connection: Connection) -> None:
        written[0] = False

    event.listen(database.engine, "before_cursor_execute", commit)
    event.listen(database.engine, "commit", end)
    try:
        yield database.write
    finally:
        event.remove(database.engine, "before_cursor_execute", commit)
        event.remove(database.engine, "commit", end)


EACH_ROW, AS_USED = "a commit for each statement", "as it is used"
WAYS: dict[str, Transactions] = {
    EACH_ROW: _one_for_each_row,
    AS_USED: _as_used,
    f"a commit for {TOGETHER} jobs": _one_for_many,
}


def _rows(database: Database) -> int:
    with database.read() as connection:
        counts = (select(func.count()).select_from(table) for table in (Job, Step, Attempt, Content))
        return sum(connection.execute(count).scalar_one() for count in counts)


def _row(name: str, rounds: list[Measured], jobs: int) -> Row:
    def figure(name: str, unit: str, value: Callable[[Measured], float]) -> Figure:
        return Figure(name=name, unit=unit, values=tuple(map(value, rounds)))

    return Row(
        name=name,
        figures=(
            figure(RATE, "rows/s", lambda each: each.rows / each.seconds),
            figure("jobs", "jobs/s", lambda each: jobs / each.seconds),
            figure("commits", "a job", lambda each: each.commits / jobs),
            figure("writer's CPU", "ms a job", lambda each: 1000 * each.writer / jobs),
            figure("server's CPU", "ms a job", lambda each: 1000 * each.server / jobs),
        ),
    )


def _goal(result: Result, database: str) -> Goal:
    return Goal(
        text=f"rows a second on {database}, as it is used / a commit for each statement",
        value=result.row(f"{database}, {AS_USED}").median(RATE) / result.row(f"{database}, {EACH_ROW}").median(RATE),
        bound=1.0,
        must_be="at least",
    )
