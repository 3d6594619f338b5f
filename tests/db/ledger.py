"""A small world of one ledger: submit a pipeline, then claim, answer and fail its steps by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Unpack

from pydantic import JsonValue
from sqlalchemy import Row, select

from db.answers import Progress, answer_step, fail_step, spawn_steps
from db.starts import begin_jobs
from db.steps import Claim, add_steps, claim_step
from mirepoix.ledger.accept import Options, Submission, accept_jobs
from mirepoix.ledger.engine import Database
from mirepoix.ledger.read import read_jobs
from mirepoix.ledger.tables import Step
from mirepoix.paths import child, find, root
from mirepoix.spec import Pipeline
from mirepoix.states import ErrorKind, JobState
from pipelines.plan import plan, plan_items
from tests.specs import MODELS


@dataclass
class Run:
    """One job that was begun."""

    database: Database
    job_id: str
    spec: Pipeline

    def claim(self, path: str, holder: str = "me") -> Claim | None:
        """Claim a step in a transaction of its own."""
        with self.database.write() as connection:
            return claim_step(connection, self.job_id, path, holder)

    def must_claim(self, path: str, holder: str = "me") -> Claim:
        """Claim a step that must be claimable."""
        claim = self.claim(path, holder)
        assert claim is not None, f"{path} cannot be claimed: {self.row(path)}"
        return claim

    def answer(self, path: str, output: JsonValue = "answer") -> Progress:
        """Claim a step and answer it."""
        return self.record(self.must_claim(path), output)

    def record(self, claim: Claim, output: JsonValue = "answer") -> Progress:
        """Answer under a claim."""
        with self.database.write() as connection:
            return answer_step(connection, claim, output)

    def fail(self, path: str) -> Progress:
        """Claim a step and fail it."""
        claim = self.must_claim(path)
        with self.database.write() as connection:
            return fail_step(connection, claim, ErrorKind.OVERLOADED, "no luck")

    def spawn(self, path: str, indices: list[int]) -> bool:
        """Claim a deciding step and add steps below it."""
        return self.spawn_under(self.must_claim(path), indices)

    def spawn_under(self, claim: Claim, indices: list[int]) -> bool:
        """Add steps under a claim."""
        place = find(self.spec, claim.path)
        steps = [step for index in indices for step in plan(child(place, index))]
        with self.database.write() as connection:
            return spawn_steps(connection, claim, steps, MODELS, waits_for=len(indices))

    def spread(self, path: str, width: int) -> None:
        """Claim a map and spread it over so many items."""
        claim = self.must_claim(path)
        steps = plan_items(find(self.spec, path), width)
        with self.database.write() as connection:
            spawn_steps(connection, claim, steps, MODELS, waits_for=width)

    def row(self, path: str) -> Row[Any]:
        """A step as the ledger has it."""
        return next(row for row in self.rows() if row.path == path)

    def rows(self) -> list[Row[Any]]:
        """All steps."""
        with self.database.read() as connection:
            return list(connection.execute(select(*Step.__table__.c).where(Step.job_id == self.job_id)))

    @property
    def state(self) -> JobState:
        """The job's state."""
        with self.database.read() as connection:
            return read_jobs(connection, [self.job_id])[0].state


def begin(database: Database, spec: Pipeline, text: str = "input", **options: Unpack[Options]) -> Run:
    """Accept a job and write its steps."""
    with database.write() as connection:
        (accepted,) = accept_jobs(connection, "test", spec, [Submission(text, **options)])
    with database.write() as connection:
        (job,) = begin_jobs(connection, [accepted.job_id])
        add_steps(connection, [(job, plan(root(spec)))], MODELS)
    return Run(database, accepted.job_id, spec)
