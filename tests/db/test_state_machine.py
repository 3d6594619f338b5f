"""Random deliveries, duplicates, deaths and late answers on random pipelines: the invariants hold throughout."""

from __future__ import annotations

import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from db.answers import answer_step, fail_step, spawn_steps
from db.steps import Claim
from db.workers import retire_worker
from mirepoix import Cascade, JobState, Route
from mirepoix.ledger.ending import cancel_job
from mirepoix.ledger.engine import Database
from mirepoix.paths import child, find
from mirepoix.spec import Pipeline
from mirepoix.states import ErrorKind, StepState
from pipelines.plan import plan
from tests.db.ledger import Run, begin
from tests.specs import MODELS, pipelines

OPEN = (StepState.PENDING, StepState.RUNNING)


class Ledger(RuleBasedStateMachine):
    """One job; claims are made, used, used again, taken away."""

    claims = Bundle("claims")
    database: Database

    @initialize(spec=pipelines(maps=False))
    def submit(self, spec: Pipeline) -> None:
        """A job of any shape."""
        self.job: Run = begin(self.database, spec)
        self.ended: dict[str, str] = {}
        self.answers: dict[str, int] = {}

    def teardown(self) -> None:
        """Bring it to its end."""
        if hasattr(self, "job"):
            self._finish()

    @rule(target=claims, choice=st.randoms(use_true_random=False), holder=st.sampled_from(["w1", "w2"]))
    def deliver(self, choice: random.Random, holder: str) -> object:
        """A message for any step, ready or not, ended or not, for the first time or the tenth."""
        path = choice.choice([row.path for row in self.job.rows()])
        before = self.job.row(path)
        claim = self.job.claim(path, holder)
        claimable = before.state in OPEN and before.missing == 0 and before.holder is None
        assert (claim is not None) == (claimable and self.job.state is JobState.RUNNING)
        return multiple() if claim is None else claim

    @rule(claim=claims, fails=st.booleans())
    def end(self, claim: Claim, fails: bool) -> None:
        """Answer or fail, perhaps long after the claim has lapsed, perhaps twice."""
        self._end(claim, fails=fails)

    @rule(holder=st.sampled_from(["w1", "w2"]))
    def die(self, holder: str) -> None:
        """A process is gone, and what it held is taken back."""
        with self.database.write() as connection:
            retire_worker(connection, holder)

    @rule(claim=consumes(claims))
    def forget(self, claim: Claim) -> None:
        """A process hangs for ever with its claim."""

    @rule(sure=st.integers(0, 9))
    def cancel(self, sure: int) -> None:
        """Rarely."""
        if sure == 0:
            with self.database.write() as connection:
                cancel_job(connection, self.job.job_id)

    @invariant()
    def the_ledger_is_sound(self) -> None:
        """After every event: nothing counted twice, nothing undone, nothing stuck."""
        rows = {row.path: row for row in self.job.rows()}
        state = self.job.state
        for path, row in rows.items():
            assert row.missing >= 0, path
            claimable = row.state in OPEN and row.missing == 0 and row.holder is None
            assert (row.due_at is not None) == (claimable and not state.terminal), (path, row)
            assert self.ended.get(path, row.state) == row.state, "a terminal state changed"
            if row.state not in OPEN:
                self.ended[path] = row.state
            assert self.answers.get(path, 0) <= 1, "answered twice"
        assert state.terminal == (rows["$"].state not in OPEN)
        if not state.terminal:
            assert any(row.holder or row.due_at for row in rows.values()), "stuck: nothing held, nothing ready"

    def _end(self, claim: Claim, *, fails: bool) -> None:
        node, place = find(self.job.spec, claim.path).node, find(self.job.spec, claim.path)
        below = [row for row in self.job.rows() if row.parent == claim.path]
        with self.database.write() as connection:
            if isinstance(node, Route) and not below:
                spawn_steps(connection, claim, plan(child(place, int(fails))), MODELS, waits_for=1)
            elif isinstance(node, Cascade) and fails and len(below) < len(node.tiers):
                spawn_steps(connection, claim, plan(child(place, len(below))), MODELS, waits_for=1)
            elif fails:
                fail_step(connection, claim, ErrorKind.OVERLOADED, "no luck")
            elif answer_step(connection, claim, "answer").won:
                self.answers[claim.path] = self.answers.get(claim.path, 0) + 1

    def _finish(self) -> None:
        """Whatever happened, a last worker brings the job to its end."""
        for holder in ("w1", "w2"):
            self.die(holder)
        for _ in range(200):
            ready = [row.path for row in self.job.rows() if row.due_at is not None]
            if not ready:
                break
            self._end(self.job.must_claim(ready[0], "last"), fails=False)
        assert self.job.state.terminal


def test_no_order_of_events_loses_a_step_or_counts_an_answer_twice(database: Database) -> None:
    machine = type("Machine", (Ledger,), {"database": database})
    run_state_machine_as_test(machine, settings=settings(max_examples=150, stateful_step_count=25, deadline=None))
