"""SQLite ledgers that many jobs have gone through, kept in `.mirepoix/bench` from run to run: a million takes a minute.

A ledger is made anew when its tables, or the ways to fill it, have changed.
"""

from __future__ import annotations

import hashlib
import shutil
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


def old_ledger(home: Path, jobs: int, provider: Provider) -> Path:
    """A ledger in the new folder `home` in which so many jobs have ended, at least ten, each with one call."""
    home.mkdir(parents=True)
    kept, ledger = KEPT_IN / f"{jobs}-{_fingerprint()}.sqlite3", home / "ledger.sqlite3"
    if not kept.exists():
        KEPT_IN.mkdir(parents=True, exist_ok=True)
        for outdated in KEPT_IN.glob(f"{jobs}-*.sqlite3"):
            outdated.unlink()
        _make(home / "made", jobs, provider).rename(kept)
    shutil.copyfile(kept, ledger)
    return ledger


def _make(home: Path, jobs: int, provider: Provider) -> Path:
    """Run some jobs, copy them as often as it takes, and let everybody go."""
    with running_house(home, config(provider.url, REAL_JOBS)) as house, Client(house.settings) as client:
        handles = client.submit_many("routed", [f"What is {number} squared?" for number in range(REAL_JOBS)])
        for view in client.as_ended(handles, timeout=FILED_WITHIN):
            require_success(view)
        _wait_until_filed(client.database)
        url = house.settings.database_url
    with closing(Database(url)) as database:
        if jobs > REAL_JOBS:
            multiply(database, jobs - REAL_JOBS, now(), open_jobs=0)
    return Path(url.removeprefix("sqlite:///"))


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
