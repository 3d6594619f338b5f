"""Random deliveries, duplicates, deaths and late answers on random pipelines: the invariants hold throughout."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
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
from sqlalchemy import Connection, select, update

from db.answers import answer_step, fail_step, spawn_steps
from db.attempts import Asked, Outcome, close_attempt, open_attempt
from db.budgets import UNBILLED, reserve
from db.lanes import fill_fast_lane
from db.overdue import take_overdue_steps, take_steps_of
from db.steps import Claim, move_step, release_step
from db.waking import Wake, late_wakes, wake_step
from db.workers import beat, bury_worker, read_beats, register_worker, retire_worker
from mirepoix import Call, Cascade, Ensemble, If, JobState, Route
from mirepoix.caps import Bound, Period
from mirepoix.ledger.ending import cancel_job, stop_job
from mirepoix.ledger.engine import Database
from mirepoix.ledger.tables import Attempt, Job, Step, TenantPeriod, now
from mirepoix.paths import Place, advisers, child, find
from mirepoix.spec import Pipeline
from mirepoix.states import ErrorKind, Lane, StepState
from pipelines.ensembles import Answer, Consult, Fail, Wait, next_move
from pipelines.plan import plan
from tasks.standing import standing_of
from tests.db.ledger import Run, begin
from tests.specs import MODELS, early_ensembles, pipelines

OPEN = (StepState.PENDING, StepState.RUNNING)


EXAMPLES, EXAMPLES_ON_A_SERVER = 2000, 150
HOLDERS = ("w1", "w2")
CAP = Decimal(1000)
RESERVED = Decimal("0.5")


class Ledger(RuleBasedStateMachine):
    """One job; claims are made, used, used again, handed back, taken away by deaths, sent again; money is set aside."""

    claims = Bundle("claims")
    database: Database

    @initialize(spec=pipelines(maps=False))
    def submit(self, spec: Pipeline) -> None:
        """A job of any shape."""
        self._submit(spec)

    def _submit(self, spec: Pipeline) -> None:
        """Of a tenant of its own, in the bulk lane."""
        self.job: Run = begin(self.database, spec)
        self.tenant = self.job.job_id
        self.ended: dict[str, str] = {}
        self.answers: Counter[str] = Counter()
        self.open: dict[tuple[str, int], int] = {}
        with self.database.write() as connection:
            connection.execute(update(Job).where(Job.id == self.job.job_id).values(tenant=self.tenant, lane=Lane.BULK))
            connection.execute(update(Step).where(Step.job_id == self.job.job_id).values(lane=Lane.BULK))
            for name in HOLDERS:
                register_worker(connection, self._worker(name), f"{name}@here", [])

    def teardown(self) -> None:
        """Bring it to its end."""
        if hasattr(self, "job"):
            self._finish()

    @rule(target=claims, choice=st.randoms(use_true_random=False), holder=st.sampled_from(HOLDERS))
    def deliver(self, choice: random.Random, holder: str) -> object:
        """A message for any step, ready or not, ended or not, for the first time or the tenth."""
        return self._deliver(choice.choice([row.path for row in self.job.rows()]), holder)

    @rule(target=claims, choice=st.randoms(use_true_random=False), holder=st.sampled_from(HOLDERS))
    def deliver_in_time(self, choice: random.Random, holder: str) -> object:
        """A message for a step that is ready."""
        ready = [row.path for row in self.job.rows() if row.due_at is not None]
        return self._deliver(choice.choice(ready), holder) if ready else multiple()

    @rule(claim=claims, fails=st.booleans())
    def end(self, claim: Claim, fails: bool) -> None:
        """Answer or fail, perhaps long after the claim has lapsed, perhaps twice."""
        self._end(claim, fails=fails)

    @rule(choice=st.randoms(use_true_random=False), fails=st.booleans())
    def work(self, choice: random.Random, fails: bool) -> None:
        """A step that is ready is claimed and ended at once."""
        ready = [row.path for row in self.job.rows() if row.due_at is not None]
        claim = self._deliver(choice.choice(ready), HOLDERS[0]) if ready else None
        if isinstance(claim, Claim):
            self._end(claim, fails=fails)

    @rule(claim=claims, moves=st.booleans())
    def hand_back(self, claim: Claim, moves: bool) -> None:
        """A worker stops, or goes on at a fallback; perhaps long after the claim has lapsed."""
        with self.database.write() as connection:
            if moves and claim.kind == "call":
                move_step(connection, claim, model="b", provider=MODELS["b"])
            else:
                release_step(connection, claim)

    @rule(holder=st.sampled_from(HOLDERS))
    def retire(self, holder: str) -> None:
        """A process ends well, and what it held is taken back."""
        with self.database.write() as connection:
            retire_worker(connection, self._worker(holder))
            beat(connection, self._worker(holder))

    @rule(holder=st.sampled_from(HOLDERS), late=st.booleans())
    def die(self, holder: str, late: bool) -> None:
        """A lease runs out; with `late` its process gives a sign of life just before, and keeps what it holds."""
        worker = self._worker(holder)
        with self.database.write() as connection:
            seen = read_beats(connection)[worker]
            if late:
                beat(connection, worker)
            held = {row.path: row.epoch for row in self.job.rows() if row.holder == worker and row.state in OPEN}
            taken = bury_worker(connection, worker, seen)
            assert (taken is None) == late
            assert taken is None or {back.step.path for back in taken} == set(held)
            assert taken is None or not self._open_attempts(connection, held), "who answers for these requests?"
            beat(connection, worker)

    @rule(claim=consumes(claims))
    def forget(self, claim: Claim) -> None:
        """A process hangs for ever with its claim."""

    @rule()
    def send_again(self) -> None:
        """The reconciler finds everything overdue."""
        with self.database.write() as connection:
            ready = {row.path for row in self.job.rows() if row.due_at is not None}
            found = {
                sent.step.path
                for provider in (None, *MODELS.values())
                for lane in Lane
                for sent in take_overdue_steps(connection, provider, lane, timedelta(seconds=-1), 1000)
                if sent.step.job_id == self.job.job_id
            }
            assert found <= ready
            assert {sent.step.path for sent in take_steps_of(connection, self.job.job_id)} == ready

    @rule(epochs_ago=st.integers(0, 2))
    def time_is_up(self, epochs_ago: int) -> None:
        """The timers of hedges go off, perhaps for members that have ended long ago, and the reconciler looks too."""
        waiting = [row for row in self.job.rows() if row.wake_at is not None and row.state in OPEN]
        for row in waiting:
            with self.database.write() as connection:
                woken = wake_step(connection, Wake(self.job.job_id, row.path, row.epoch - epochs_ago))
            assert (woken is not None) == (epochs_ago == 0 and row.missing > 0 and row.holder is None)
        with self.database.write() as connection:
            late = late_wakes(connection, timedelta(hours=-1), 1000)
            assert {wake.path for wake in late if wake.job_id == self.job.job_id} == {
                row.path for row in waiting if epochs_ago > 0 and row.missing > 0
            }

    @rule()
    def promote(self) -> None:
        """Its tenant has room in the fast lane."""
        with self.database.write() as connection:
            fill_fast_lane(connection, self.tenant)

    @rule(sure=st.integers(0, 9), cancels=st.booleans())
    def stop(self, sure: int, cancels: bool) -> None:
        """Rarely: somebody cancels it, or a bound is reached."""
        if sure == 0:
            with self.database.write() as connection:
                if cancels:
                    cancel_job(connection, self.job.job_id)
                else:
                    stop_job(connection, self.job.job_id, ErrorKind.BUDGET, "too dear")

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
            assert self.answers[path] <= 1, "answered twice"
            self._nothing_is_waited_for_in_vain(rows, path)
        assert state.terminal == (rows["$"].state not in OPEN)
        assert not state.terminal or all(row.state not in OPEN for row in rows.values()), "a step outlives its job"
        if not state.terminal:
            assert any(row.holder or row.due_at for row in rows.values()), "stuck: nothing held, nothing ready"

    def _nothing_is_waited_for_in_vain(self, rows: dict[str, Any], path: str) -> None:
        """Who waits for steps below it can be woken by as many, and none of them outlives it."""
        row, below = rows[path], [row for row in rows.values() if row.parent == path]
        still_open = [row for row in below if row.state in OPEN]
        if row.kind == "ensemble" and row.state in OPEN and below:
            assert row.missing <= len(still_open), f"{path} waits for more ends than may come"
        assert row.state in OPEN or not still_open, f"a step outlives {path}"

    @invariant()
    def no_cent_is_lost(self) -> None:
        """The tenant's day and month hold what its attempts cost, or may yet cost."""
        with self.database.read() as connection:
            query = select(TenantPeriod.spent.label("spent"), TenantPeriod.reserved.label("reserved"))
            periods = connection.execute(query.where(TenantPeriod.tenant == self.tenant)).all()
            columns = (Attempt.finished_at, Attempt.error_kind, Attempt.cost.label("cost"))
            attempts = connection.execute(select(*columns).where(Attempt.job_id == self.job.job_id)).all()
        reserved = sum((RESERVED for row in attempts if row.finished_at is None), Decimal(0))
        feared = [row for row in attempts if row.finished_at is not None]
        spent = sum(
            (row.cost if row.cost is not None else RESERVED for row in feared if row.error_kind not in UNBILLED),
            Decimal(0),
        )
        standing = [(each.reserved, each.spent) for each in periods] or [(Decimal(0), Decimal(0))] * 2
        assert standing == [(reserved, spent)] * 2

    def _deliver(self, path: str, holder: str) -> object:
        before = self.job.row(path)
        claim = self.job.claim(path, self._worker(holder))
        claimable = before.state in OPEN and before.missing == 0 and before.holder is None
        assert (claim is not None) == (claimable and self.job.state is JobState.RUNNING)
        if claim is None:
            return multiple()
        if claim.kind == "call":
            self._open(claim)
        return claim

    def _open_attempts(self, connection: Connection, epochs: dict[str, int]) -> list[str]:
        mine = select(Attempt.path, Attempt.epoch).where(
            Attempt.job_id == self.job.job_id, Attempt.finished_at.is_(None)
        )
        return [row.path for row in connection.execute(mine) if epochs.get(row.path) == row.epoch]

    def _worker(self, name: str) -> str:
        return f"{self.job.job_id[-20:]}{name}"

    def _open(self, claim: Claim) -> None:
        with self.database.write() as connection:
            reserve(connection, claim.job, RESERVED, [Bound(period, CAP) for period in Period])
            asked = Asked(MODELS[claim.model or ""], claim.model or "", "wire", {"prompt": "x"}, RESERVED)
            self.open[claim.path, claim.epoch] = open_attempt(connection, claim, asked)

    def _close(self, claim: Claim, *, fails: bool) -> None:
        """Write down how the request ended, also when it no longer counts: it was paid for."""
        attempt = self.open.get((claim.path, claim.epoch))
        if attempt is not None:
            failed = Outcome(latency=0.1, error_kind=ErrorKind.OVERLOADED, error="no luck")
            outcome = failed if fails else Outcome(latency=0.1, answer="answer", cost=Decimal("0.2"))
            with self.database.write() as connection:
                close_attempt(connection, attempt, outcome)

    def _end(self, claim: Claim, *, fails: bool) -> None:
        node, place = find(self.job.spec, claim.path).node, find(self.job.spec, claim.path)
        below = [row for row in self.job.rows() if row.parent == claim.path]
        if isinstance(node, Call):
            self._close(claim, fails=fails)
        with self.database.write() as connection:
            if isinstance(node, Route) and not below:
                spawn_steps(connection, claim, plan(child(place, int(fails))), MODELS, waits_for=1)
            elif isinstance(node, If) and not below and not fails:
                spawn_steps(connection, claim, plan(child(place, 0)), MODELS, waits_for=1)
            elif isinstance(node, Cascade) and fails and len(below) < len(node.tiers):
                spawn_steps(connection, claim, plan(child(place, len(below))), MODELS, waits_for=1)
            elif isinstance(node, Ensemble):
                self._decide(connection, claim, place, node, fails=fails)
            elif fails:
                fail_step(connection, claim, ErrorKind.OVERLOADED, "no luck")
            elif answer_step(connection, claim, "answer").won:
                self.answers[claim.path] += 1

    def _decide(self, connection: Connection, claim: Claim, place: Place, node: Ensemble, *, fails: bool) -> None:
        """An ensemble's next move, as it really makes it; or it breaks instead of answering."""
        match next_move(node, standing_of(connection, self.job.job_id, place)):
            case Wait(ends, ask, _, after):
                steps = [step for index in ask for step in plan(child(place, index))]
                wake_at = None if after is None else now() + timedelta(seconds=after)
                spawn_steps(connection, claim, steps, MODELS, waits_for=ends, wake_at=wake_at, driven=True)
            case Consult():
                spawn_steps(connection, claim, plan(advisers(place)[0]), MODELS, waits_for=1)
            case Answer(reduced) if not fails:
                self.answers[claim.path] += int(answer_step(connection, claim, reduced.output).won)
            case Answer() | Fail():
                fail_step(connection, claim, ErrorKind.REDUCE, "no luck")

    def _finish(self) -> None:
        """Whatever happened, a last worker brings the job to its end."""
        with self.database.write() as connection:
            for holder in HOLDERS:
                retire_worker(connection, self._worker(holder))
        for _ in range(200):
            ready = [row.path for row in self.job.rows() if row.due_at is not None]
            if not ready:
                break
            self._end(self.job.must_claim(ready[0], "last"), fails=False)
        assert self.job.state.terminal
        self.the_ledger_is_sound()


class EarlyLedger(Ledger):
    """One ensemble that may end while its members are at work."""

    @initialize(spec=early_ensembles())
    def submit(self, spec: Pipeline) -> None:
        """A job of that."""
        self._submit(spec)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_order_of_events_loses_a_step_or_counts_an_answer_or_a_cent_twice(database: Database) -> None:
    _run(Ledger, database, 1.0)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_order_of_events_wakes_an_ensemble_too_seldom_or_lets_a_member_outlive_it(database: Database) -> None:
    _run(EarlyLedger, database, 0.1)


def _run(machine: type[Ledger], database: Database, share: float) -> None:
    begin(database, Call(model="a"), tenant="another")  # whom the machine's own tenants have to be fair to
    here = type("Machine", (machine,), {"database": database})
    examples = EXAMPLES if database.url.startswith("sqlite") else EXAMPLES_ON_A_SERVER
    chosen = settings(max_examples=int(share * examples), stateful_step_count=12, deadline=None)
    run_state_machine_as_test(here, settings=chosen)
