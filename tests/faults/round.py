"""One row on one stack: give the load, do the dreadful thing in the midst of it, wait, and audit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import groupby

from sqlalchemy import func, select

from mirepoix import Client
from mirepoix.errors import LedgerError
from mirepoix.ledger.tables import Job
from tests.faults.audit import Asked, Verdict, audit
from tests.faults.load import Task, tasks
from tests.faults.stack import Stack

LOOK = 0.1
FIRST_SHARE, FEED, SLICE = 0.5, 5.0, 0.25
"""Half of the jobs are there when the fault begins; the others come over `FEED` seconds, one slice each `SLICE`."""
BUSY_SHARE = 0.05
PATIENCE = 60.0


@dataclass
class Round:
    """What a row works with while it runs: the stack, and the load that is being given to it."""

    stack: Stack
    tenant: str
    seed: str
    tasks: list[Task]
    feed: float = FEED
    patience: float = PATIENCE
    accepted: set[str] = field(default_factory=set)
    skewed: bool = False
    problems: list[BaseException] = field(default_factory=list)

    def wait_until_busy(self) -> None:
        """Return when some of the jobs have ended, so that all shapes are at work."""
        self.wait(lambda: self.open_jobs() <= len(self.tasks) * (1 - BUSY_SHARE), self.patience)

    def wait(self, true: Callable[[], bool], patience: float) -> bool:
        """Wait for something to become true; False when it does not."""
        deadline = time.monotonic() + patience
        while not true():
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOK)
        return True

    def open_jobs(self) -> int:
        """How many of the row's jobs have not ended, those not yet accepted included."""
        ended = select(func.count()).where(Job.tenant == self.tenant, Job.finished_at.is_not(None))
        try:
            with self.stack.world.database.read() as connection:
                return len(self.tasks) - int(connection.execute(ended).scalar_one())
        except LedgerError:
            return len(self.tasks)

    def feed_jobs(self) -> None:
        """Submit half of the jobs now, and the others bit by bit whatever happens: each until it is accepted."""
        with Client(self.stack.world.settings) as client:
            first = round(len(self.tasks) * FIRST_SHARE)
            self._submit(client, self.tasks[:first])
            slices = max(1, round(self.feed / SLICE))
            width = -(-(len(self.tasks) - first) // slices)
            for start in range(first, len(self.tasks), width):
                self._submit(client, self.tasks[start : start + width])
                time.sleep(SLICE)

    def _submit(self, client: Client, batch: list[Task]) -> None:
        for pipeline, group in groupby(sorted(batch, key=lambda task: task.pipeline), lambda task: task.pipeline):
            jobs = [task.submission(self.tenant) for task in group]
            while True:
                try:
                    self.accepted |= {handle.id for handle in client.submit_many(pipeline, jobs)}
                    break
                except LedgerError:  # nothing was accepted, or we cannot know: the keys make it safe to say it again
                    time.sleep(LOOK)


@dataclass(frozen=True, slots=True)
class Row:
    """A fault. `act` does it, in the midst of the load, and returns when it is over.

    `around` is what has to be so while the row runs, beyond a healthy house. `feed` is for how many seconds new jobs
    come in. `submits` replaces the harness's own producer.
    """

    name: str
    act: Callable[[Round], None]
    around: Callable[[Round], AbstractContextManager[None]] = lambda _: nullcontext()
    feed: float = FEED
    submits: Callable[[Round], None] = Round.feed_jobs


@dataclass(frozen=True, slots=True)
class Result:
    """A line of the matrix. `whole` is the seconds from the first job's submission to the last one's end.

    `recovery` is the seconds from the end of the fault to the end of the last job.
    """

    row: str
    stack: str
    jobs: int
    verdict: Verdict
    whole: float
    recovery: float

    @property
    def clean(self) -> bool:
        """Whether every column that must be empty is."""
        return not any(self.verdict.columns().values())


def run_row(row: Row, stack: Stack, *, seed: str, jobs: int, patience: float = PATIENCE) -> Result:
    """Run one row; the house is healthy again when it returns."""
    tenant = f"{row.name}-{seed}"
    running = Round(stack, tenant, f"{row.name} {seed}", tasks(f"{row.name} {seed}", jobs), row.feed, patience)
    with row.around(running):
        begin = time.monotonic()
        with _beside(lambda: row.submits(running), running):
            running.wait_until_busy()
            row.act(running)
            over = time.monotonic()
        running.wait(lambda: running.open_jobs() == 0, patience)
        end = time.monotonic()
    if running.problems:
        raise running.problems[0]
    asked = Asked(tenant, running.tasks, frozenset(running.accepted), running.skewed)
    verdict = audit(stack.world.database, stack.bill, asked)
    return Result(row.name, stack.name, jobs, verdict, end - begin, max(0.0, end - over))


@contextmanager
def _beside(work: Callable[[], None], running: Round) -> Iterator[None]:
    """Do `work` in a thread while the block runs, and wait for it; what it raises is kept."""

    def guarded() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  # of a thread: told by the row that waits for it
            running.problems.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    try:
        yield
    finally:
        thread.join()
