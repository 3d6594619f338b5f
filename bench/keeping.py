"""Measure what it takes to file, search, export and prune a large ledger: `python -m bench.keeping --jobs 100000`.

On SQLite in a temporary folder, or on the empty database in MIREPOIX_TEST_DATABASE_URL.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path

from sqlalchemy import text

from db.migrate import migrate
from db.prune import prune
from mirepoix import Call
from mirepoix.ledger.accept import Submission, accept_jobs
from mirepoix.ledger.engine import Database
from mirepoix.ledger.export import export_traces
from mirepoix.ledger.search import Search, find_jobs
from mirepoix.ledger.tables import now
from mirepoix.privacy import Sensitive
from mirepoix.states import JobState, Store
from tasks.filing import file_some
from tests.databases import fresh_database

AT_A_TIME = 500
WORDS = ("apple", "river", "stone", "cloud", "ember", "frost", "grain", "harbor", "ivory", "jungle", "kettle", "meadow")
FILL = """
WITH these AS (SELECT id, created_at FROM jobs WHERE state = 'queued')
INSERT INTO steps (job_id, path, kind, position, lane, state, missing, feeds, driven, drives, crashes, epoch, model,
                   provider, output_hash, started_at, finished_at)
SELECT id, '$', 'call', 0, 'fast', 'succeeded', 0, '[]', false, 0, 0, 1, 'a', 'one', 'answer-' || id, created_at,
       created_at FROM these
"""
ATTEMPTS = """
INSERT INTO attempts (job_id, path, epoch, number, provider, model, wire_name, prompt_hash, answer_hash, estimated,
                      reserved_picousd, cost_picousd, started_at, finished_at)
SELECT id, '$', 1, 1, 'one', CASE WHEN id = :rare THEN 'rare' ELSE 'a' END, 'a', 'prompt-' || id, 'answer-' || id,
       false, 0, 1000, created_at, created_at FROM jobs WHERE state = 'queued'
"""
CONTENTS = """
INSERT INTO contents (hash, body, created_at) SELECT '{kind}-' || jobs.id, replace(body, 'Question', '{kind}'),
    jobs.created_at FROM jobs JOIN contents ON hash = input_hash WHERE state = 'queued'
"""
END = "UPDATE jobs SET state = 'succeeded', output_hash = 'answer-' || id, finished_at = created_at, due_at = NULL"
LONGEST_SEARCH = 1.0


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    with tempfile.TemporaryDirectory() as folder, fresh_database(Path(folder)) as url:
        for figure in measure(url, parser.parse_args().jobs):
            print(figure, flush=True)


def measure(url: str, jobs: int) -> Iterator[str]:
    """Fill the ledger with so many ended jobs, then do everything once; yields a line a figure."""
    database = Database(url)
    migrate(database)
    started = time.monotonic()
    fill(database, jobs)
    filling = time.monotonic() - started
    yield f"{jobs} jobs inserted: {filling:.1f} s"
    took, filed = _timed(lambda: _file_all(database))
    yield f"{filed} filed (made searchable): {took:.1f} s, {1000 * took / jobs:.2f} ms a job"
    with database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))
    for name, search in searches().items():
        took, found = min(_timed(partial(_find, database, search)) for _ in range(3))
        yield f"search {name}: {1000 * took:.1f} ms, {found} found"
    some = min(jobs, 5_000)
    took, _ = _timed(lambda: sum(1 for _ in islice(export_traces(database, Search()), some)))
    yield f"{some} exported: {some / took:.0f} a second"
    with _others(database) as waits:
        took, gone = _timed(lambda: sum(pruned.jobs for pruned in prune(database, now() + timedelta(days=1))))
    yield f"{gone} pruned: {took:.1f} s, {took / filling:.2f} of what it took to insert them"
    yield f"{len(waits)} jobs accepted meanwhile, the slowest in {1000 * max(waits):.0f} ms"
    database.close()


def searches() -> dict[str, Search]:
    """Common and rare ones."""
    return {
        "newest": Search(),
        "of a model": Search(model="a"),
        "of a model asked once": Search(model="rare"),
        "of a provider nobody asked": Search(provider="none"),
        "failed": Search(state=JobState.FAILED),
        "of a pipeline there is not": Search(pipeline="none"),
        "a word in every job": Search(text="question"),
        "a word in one job of 12": Search(text="harbor"),
        "a phrase": Search(text='"harbor ivory"'),
        "a number in one job": Search(text="4242"),
        "a word in none": Search(text="zebra"),
    }


def fill(database: Database, jobs: int) -> None:
    """Jobs that asked one model once and have ended, with three texts each."""
    spec = Call(model="a")
    rare = ""
    for first in range(0, jobs, AT_A_TIME):
        numbers = range(first, min(jobs, first + AT_A_TIME))
        with database.write() as connection:
            accepted = accept_jobs(connection, "bench", spec, [Submission(_question(number)) for number in numbers])
            rare = rare or accepted[0].job_id
            for kind in ("prompt", "answer"):
                connection.execute(text(CONTENTS.format(kind=kind)))
            connection.execute(text(FILL))
            connection.execute(text(ATTEMPTS), {"rare": rare})
            connection.execute(text(END + " WHERE state = 'queued'"))


def _question(number: int) -> str:
    return (
        f"Question {number}: " + " ".join(WORDS[(number + step) % len(WORDS)] for step in range(2)) + " and so on" * 10
    )


def _file_all(database: Database) -> int:
    filed = 0
    while some := file_some(database, frozenset(Sensitive), 0):
        filed += len(some)
    return filed


def _find(database: Database, search: Search) -> int:
    with database.read() as connection:
        return len(find_jobs(connection, search))


def _timed(work: Callable[[], int]) -> tuple[float, int]:
    started = time.monotonic()
    result = work()
    return time.monotonic() - started, result


@contextmanager
def _others(database: Database) -> Iterator[list[float]]:
    """Somebody goes on submitting jobs; what each took."""
    waits: list[float] = []
    ended = threading.Event()

    def submit() -> None:
        while not ended.is_set():
            started = time.monotonic()
            with database.write() as connection:
                accept_jobs(connection, "bench", Call(model="a", store=Store.FULL), [Submission("meanwhile")])
            waits.append(time.monotonic() - started)
            ended.wait(0.02)

    thread = threading.Thread(target=submit)
    thread.start()
    try:
        yield waits
    finally:
        ended.set()
        thread.join()


if __name__ == "__main__":
    main()
