"""What workers and the reconciler ask of the ledger costs the same with a million open steps as with ten."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import text

from db.lanes import waiting_tenants
from db.overdue import has_overdue_steps, late_jobs, overdue_jobs, take_overdue_steps
from db.workers import bury_worker, read_beats, register_worker
from mirepoix import Call
from mirepoix.ledger.engine import Database
from mirepoix.states import Lane
from tests.db.ledger import begin

JOBS, STEPS = 1000, 1000
PATIENCE = timedelta(hours=1)
LONGEST = 0.1
"""Seconds for one question, on a machine that does other things as well."""
NUMBERS = "WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {last}) "
COPY_JOBS = NUMBERS + (
    "INSERT INTO jobs (id, tenant, pipeline, version, state, input_hash, lane, priority, batch, stream, tags, due_at, "
    "drives, created_at) "
    "SELECT 'J' || n, 'heavy', pipeline, version, 'running', input_hash, 'bulk', 0, false, false, tags, NULL, 0, "
    "created_at FROM jobs, numbers WHERE id = :job"
)
COPY_STEPS = NUMBERS + (
    "INSERT INTO steps (job_id, path, kind, position, lane, state, missing, feeds, driven, drives, crashes, due_at, "
    "epoch, model, provider) "
    "SELECT 'J' || (n / {steps}), 'members.' || n, kind, 0, 'bulk', 'pending', 0, feeds, driven, 0, 0, due_at, 0, "
    "model, provider FROM steps, numbers WHERE steps.job_id = :job"
)


def fill(database: Database) -> None:
    """A million ready steps of a thousand jobs wait in the bulk lane of provider `one`, since just now."""
    seed = begin(database, Call(model="a"), tenant="seed")
    with database.write() as connection:
        bulk = {"last": JOBS * STEPS - 1, "steps": STEPS}
        connection.execute(text(COPY_JOBS.format(last=JOBS - 1)), {"job": seed.job_id})
        connection.execute(text(COPY_STEPS.format(**bulk)), {"job": seed.job_id})
    with database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))


def seconds(work: Callable[[], object]) -> float:
    """The best of three, which is what the work itself takes."""
    took: list[float] = []
    for _ in range(3):
        started = time.monotonic()
        work()
        took.append(time.monotonic() - started)
    return min(took)


def test_a_million_open_steps_hold_up_nobody(database: Database) -> None:
    fill(database)
    with database.write() as connection:
        register_worker(connection, "w", "w@here", [])

    def look() -> None:
        with database.read() as connection:
            assert read_beats(connection) == {"w": 0}
            assert late_jobs(connection, 500) == []
            assert list(waiting_tenants(connection)) == ["heavy"]
            for lane in Lane:
                assert overdue_jobs(connection, lane, PATIENCE, 1) == []
                for provider in (None, "one", "two"):
                    assert not has_overdue_steps(connection, provider, lane, PATIENCE)

    def take() -> None:
        with database.write() as connection:
            assert len(take_overdue_steps(connection, "one", Lane.BULK, timedelta(seconds=-60), 5)) == 5

    def claim_and_answer() -> None:
        begin(database, Call(model="a")).answer("$")

    def bury() -> None:
        with database.write() as connection:
            assert bury_worker(connection, "w", 99) is None

    took = {work.__name__: seconds(work) for work in (look, take, claim_and_answer, bury)}
    print({name: f"{1000 * value:.1f} ms" for name, value in took.items()})
    assert max(took.values()) < LONGEST, took
