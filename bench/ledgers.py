"""SQLite ledgers that many jobs have gone through, kept in `.mirepoix/bench` from run to run: a million takes a minute.

Ten jobs are done by a house; larger ledgers are that one's jobs, copied as often as it takes.
A ledger is made anew when its tables, or the ways to fill it, have changed.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy import func, select

from bench.contestants.mirepoix_ import config, require_success
from bench.copies import multiply
from bench.house import running_house
from bench.provider import Provider
from mirepoix import Client
from mirepoix.ledger.engine import Database
from mirepoix.ledger.tables import Job, now

KEPT_IN = Path(".mirepoix", "bench")
REAL_JOBS = 10
WRITES = ("db/migrations/versions/*.py", "bench/copies.py", "bench/ledgers.py")
FILED_WITHIN = 30
LEDGER = "ledger.sqlite3"
"""What a house calls it."""


def old_ledger(home: Path, jobs: int, provider: Provider) -> Path:
    """A ledger in the new folder `home` in which so many jobs have ended, at least ten, each with one call."""
    home.mkdir(parents=True)
    return _copy(_kept(jobs, provider), home)


def _kept(jobs: int, provider: Provider) -> Path:
    kept = KEPT_IN / f"{jobs}-{_fingerprint()}.sqlite3"
    if not kept.exists():
        KEPT_IN.mkdir(parents=True, exist_ok=True)
        for outdated in KEPT_IN.glob(f"{jobs}-*.sqlite3"):
            outdated.unlink()
        with tempfile.TemporaryDirectory(dir=KEPT_IN) as folder:
            _make(Path(folder), jobs, provider).rename(kept)
    return kept


def _make(home: Path, jobs: int, provider: Provider) -> Path:
    if jobs == REAL_JOBS:
        return _worked(home, provider)
    ledger = _copy(_kept(REAL_JOBS, provider), home)
    with closing(Database(f"sqlite:///{ledger}")) as database:
        multiply(database, jobs - REAL_JOBS, now(), open_jobs=0)
    return ledger


def _copy(ledger: Path, home: Path) -> Path:
    return Path(shutil.copyfile(ledger, home / LEDGER))


def _worked(home: Path, provider: Provider) -> Path:
    """A ledger whose jobs real processes have done."""
    with running_house(home, config(provider.url, REAL_JOBS)) as house, Client(house.settings) as client:
        handles = client.submit_many("routed", [f"What is {number} squared?" for number in range(REAL_JOBS)])
        for view in client.as_ended(handles, timeout=FILED_WITHIN):
            require_success(view)
        _wait_until_filed(client.database)
    ledger = home / LEDGER
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # all of it into the file that is kept
    return ledger


def _wait_until_filed(database: Database) -> None:
    """Copies of jobs that are not filed would keep the orchestrators busy."""
    unfiled = select(func.count()).select_from(Job).where(Job.filed_at.is_(None))
    deadline = time.monotonic() + FILED_WITHIN
    while True:
        with database.read() as connection:
            if connection.execute(unfiled).scalar_one() == 0:
                return
        if time.monotonic() > deadline:
            raise RuntimeError(f"the jobs were not filed within {FILED_WITHIN} s.")
        time.sleep(0.1)


def _fingerprint() -> str:
    root = Path(__file__).parents[1]
    files = sorted(file for pattern in WRITES for file in root.glob(pattern))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
