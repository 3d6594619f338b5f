"""Record how a step ended, and what follows from it, in one transaction.

An answer travels upwards: it makes the steps that waited for it ready, and completes the chains and routes around it.
A failure stops its chain, but a cascade, an ensemble or a map around it is woken to decide what to make of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Boolean, Connection, Row, Update, bindparam, or_, select, update

from db.locks import HELD, hold_job, lock_job
from db.steps import AT, IS_OPEN, OPEN, Claim, add_steps
from mirepoix.ended import blame
from mirepoix.ledger.contents import encode, keep
from mirepoix.ledger.lanes import read_standing
from mirepoix.ledger.outbox import announce_end
from mirepoix.ledger.tables import Job, Step, now
from mirepoix.paths import ROOT
from mirepoix.planned import PlannedStep, ReadyStep
from mirepoix.printable import printable
from mirepoix.states import ErrorKind, JobState, Lane, StepState

AnyRow = Row[*tuple[Any, ...]]

ADOPTS = ("chain", "route", "if")
"""Kinds that take the answer of the last step below them as their own, without a decision of their own."""
MAY_END_EARLY = "ensemble"
"""The kind that may decide while steps below it are at work: they may wake it when it is awake, and end with it."""

_END = (
    update(Step)
    .where(*AT)
    .values(holder=None, due_at=None)
    .returning(
        Step.path,
        Step.kind,
        Step.parent,
        Step.feeds,
        Step.driven,
        Step.state,
        Step.output_hash,
        Step.error_kind,
        Step.error,
    )
)
_END_CLAIMED = _END.where(Step.job_id == HELD, IS_OPEN, Step.epoch == bindparam("claimed"))
_KIND = select(Step.kind).where(*AT)
_STANDING = select(Step.epoch, Step.state).where(*AT)
_LET_GO = update(Step).where(*AT).values(holder=None, epoch=Step.epoch + 1, due_at=None)
_ONE_LESS = (
    update(Step)
    .where(*AT, or_(Step.missing > 0, Step.kind != MAY_END_EARLY))
    .values(missing=Step.missing - 1, driven=or_(Step.driven, bindparam("leaves_the_canvas", type_=Boolean)))
    .returning(Step.missing, Step.kind, Step.driven, Step.lane, Step.provider, Step.model, Step.state)
)
_MAKE_READY = update(Step).where(*AT)
_LAST_OUTPUT = (
    select(Step.output_hash)
    .where(Step.job_id == bindparam("of_job"), Step.parent == bindparam("at"))
    .order_by(Step.position.desc())
    .limit(1)
)
_END_JOB = (
    update(Job)
    .where(Job.id == bindparam("job"), Job.finished_at.is_(None))
    .values(due_at=None)
    .returning(Job.tenant, Job.lane, Job.priority, Job.callback)
)


@dataclass(frozen=True, slots=True)
class Progress:
    """What a recorded end led to. `won` is False when the claim had lapsed and nothing changed.

    `to_drive` are the steps that became ready and that no canvas leads to: the caller publishes them. `led_on` are
    those that the canvas leads to, if it is a chord: behind its last member. With `frees_fast_lane_of` a job of that
    tenant has left the fast lane, and others are to come in.
    """

    won: bool
    job_ended: bool = False
    to_drive: tuple[ReadyStep, ...] = ()
    led_on: tuple[ReadyStep, ...] = ()
    frees_fast_lane_of: str | None = None

    def without(self, steps: Collection[ReadyStep]) -> Progress:
        """The same, but of `steps` others take care."""
        to_drive = tuple(step for step in self.to_drive if step not in steps)
        return replace(self, to_drive=to_drive, led_on=tuple(step for step in self.led_on if step not in steps))


@dataclass(slots=True)
class _Wave:
    """The consequences gathered so far on the way up."""

    connection: Connection
    job_id: str
    to_drive: list[ReadyStep] = field(default_factory=list)
    led_on: list[ReadyStep] = field(default_factory=list)
    job_ended: bool = False
    frees_fast_lane_of: str | None = None

    def progress(self) -> Progress:
        return Progress(
            won=True,
            job_ended=self.job_ended,
            to_drive=tuple(self.to_drive),
            led_on=tuple(self.led_on),
            frees_fast_lane_of=self.frees_fast_lane_of,
        )

    def at(self, path: str) -> dict[str, Any]:
        return {"of_job": self.job_id, "at": path}

    def kind(self, path: str) -> str:
        return str(self.connection.execute(_KIND, self.at(path)).scalar_one())


def answer_step(connection: Connection, claim: Claim, output: JsonValue) -> Progress:
    """Record `output` as the step's answer, unless a newer claim has taken the step over."""
    hash_, body = encode(output)
    progress = _end(connection, claim, {"state": StepState.SUCCEEDED, "output_hash": hash_})
    if progress.won:
        keep(connection, {hash_: body})
    return progress


def fail_step(connection: Connection, claim: Claim, kind: ErrorKind, message: str) -> Progress:
    """Record that the step failed for good, and why."""
    return _end(connection, claim, {"state": StepState.FAILED, "error_kind": kind, "error": printable(message)})


def spawn_steps(
    connection: Connection,
    claim: Claim,
    children: Sequence[PlannedStep],
    providers: Mapping[str, str],
    *,
    waits_for: int,
    wake_at: datetime | None = None,
    driven: bool = False,
) -> bool:
    """Add steps below a claimed one, which then waits for `waits_for` of them; False when the claim has lapsed.

    Ends the claim: who held it has nothing more to say about this step. At `wake_at` it is ready in any case; with
    `driven` no canvas leads back to it. It may wait for what is there already: `children` may be empty.
    """
    if not holds(connection, claim):
        return False
    if children:
        add_steps(connection, [(claim.job, children)], providers)
    waits = {"of_job": claim.job_id, "at": claim.path, "missing": waits_for, "wake_at": wake_at}
    connection.execute(_LET_GO, {**waits, "driven": True} if driven else waits)
    return True


def fail_broken_step(
    connection: Connection, job_id: str, path: str, kind: ErrorKind, message: str, *, holder: str | None = None
) -> Progress:
    """Record that a step failed for good which breaks whoever takes it.

    Nothing changes when it has ended, cannot run yet, or is held by another than `holder`.
    """
    job = lock_job(connection, job_id)
    ready = Step.state.in_(OPEN) & (Step.missing == 0) & (Step.holder.is_(None) | (Step.holder == holder))
    step = connection.execute(select(Step.path).where(Step.job_id == job_id, Step.path == path, ready)).one_or_none()
    if step is None or job.state is not JobState.RUNNING:
        return Progress(won=False)
    wave = _Wave(connection, job_id)
    _finish(wave, path, {"state": StepState.FAILED, "error_kind": kind, "error": printable(message)}, driven=True)
    return wave.progress()


def fail_job(connection: Connection, job_id: str, kind: ErrorKind, message: str) -> None:
    """End a job that cannot even be planned."""
    lock_job(connection, job_id)
    _end_job(_Wave(connection, job_id), JobState.FAILED, None, kind, message)


def ready_step(job_id: str, path: str, row: AnyRow) -> ReadyStep:
    """A row of steps (kind, lane, provider, model) as what is published."""
    return ReadyStep(job_id, path, row.kind, Lane(row.lane), row.provider, row.model)


def holds(connection: Connection, claim: Claim) -> bool:
    """Whether the claim still stands. One taken back but not claimed anew stands: its answer is paid for.

    Locks the job.
    """
    hold_job(connection, claim.job_id)
    step = connection.execute(_STANDING, {"of_job": claim.job_id, "at": claim.path}).one_or_none()
    return step is not None and step.epoch == claim.epoch and step.state in OPEN


def _end(connection: Connection, claim: Claim, values: dict[str, Any]) -> Progress:
    """Give the claimed step its end, unless the claim has lapsed; locks the job."""
    wave = _Wave(connection, claim.job_id)
    step = _write_end(wave, _END_CLAIMED, claim.path, {**values, "claimed": claim.epoch})
    if step is None:
        return Progress(won=False)
    _tell(wave, step, driven=claim.driven)
    return wave.progress()


def _finish(wave: _Wave, path: str, values: dict[str, Any], *, driven: bool) -> None:
    """Give the step at `path` its end, then tell those who wait for it."""
    step = _write_end(wave, _END, path, values)
    if step is not None:
        _tell(wave, step, driven=driven)


def _write_end(wave: _Wave, statement: Update, path: str, values: dict[str, Any]) -> Row[Any] | None:
    return wave.connection.execute(statement, {**wave.at(path), "finished_at": now(), **values}).one_or_none()


def _tell(wave: _Wave, step: Row[Any], *, driven: bool) -> None:
    """Tell those who wait for a step that it has ended."""
    if step.kind == MAY_END_EARLY:
        _end_below(wave, step.path, StepState.CANCELLED)
    driven = driven or step.driven
    if step.state == StepState.SUCCEEDED or _takes_turns(wave, step):
        for waiting in step.feeds:
            _one_less(wave, waiting, driven=driven)
    if step.parent is None:
        _end_with_root(wave, step)
    else:
        _tell_parent(wave, step, driven=driven)


def _takes_turns(wave: _Wave, step: Row[Any]) -> bool:
    """Whether what waits for the step waits for its turn only, so that a failure serves as well."""
    return bool(step.feeds) and step.parent is not None and wave.kind(step.parent) == "map"


def _tell_parent(wave: _Wave, step: Row[Any], *, driven: bool) -> None:
    failed = step.state != StepState.SUCCEEDED
    adopts = wave.kind(step.parent) in ADOPTS
    if failed and adopts:
        _end_below(wave, step.parent, StepState.SKIPPED)
        error = blame(step.path, step.error_kind, step.error)
        values = {"state": StepState.FAILED, "error_kind": ErrorKind.CHILD, "error": error}
        _finish(wave, step.parent, values, driven=True)
        return
    left = _one_less(wave, step.parent, driven=driven or failed)
    if left == 0 and adopts:
        output = _output_below(wave, step.parent)
        _finish(wave, step.parent, {"state": StepState.SUCCEEDED, "output_hash": output}, driven=driven)


def _output_below(wave: _Wave, path: str) -> str:
    """The answer of the last step below, in the order of the pipeline: the steps of a chain may end in another one."""
    return str(wave.connection.execute(_LAST_OUTPUT, wave.at(path)).scalar_one())


def _one_less(wave: _Wave, path: str, *, driven: bool) -> int:
    """Count one need of the step as met; when it was the last, its time has come. Returns how many are left.

    A step that may end early is awake when it needs no more, or its time is up: then nothing is counted.
    """
    step = wave.connection.execute(_ONE_LESS, {**wave.at(path), "leaves_the_canvas": driven}).one_or_none()
    if step is None:
        return 0
    decides = step.kind != "chain" and not (step.kind in ("route", "if") and step.state == StepState.RUNNING)
    if step.missing == 0 and decides:
        moment = now()
        wave.connection.execute(_MAKE_READY, {**wave.at(path), "due_at": moment, "ready_at": moment})
        (wave.to_drive if step.driven else wave.led_on).append(ready_step(wave.job_id, path, step))
    return int(step.missing)


def _end_below(wave: _Wave, path: str, state: StepState) -> None:
    """End what is open below the step; who holds such a step gives its request up (workers/watch.py)."""
    below = Step.path != ROOT if path == ROOT else Step.path.startswith(path + ".", autoescape=True)
    wave.connection.execute(
        update(Step)
        .where(Step.job_id == wave.job_id, IS_OPEN, below)
        .values(state=state, due_at=None, finished_at=now())
    )


def _end_with_root(wave: _Wave, step: Row[Any]) -> None:
    state = JobState.SUCCEEDED if step.state == StepState.SUCCEEDED else JobState.FAILED
    kind = ErrorKind(step.error_kind) if step.error_kind else None
    _end_job(wave, state, step.output_hash, kind, step.error)
    wave.job_ended = True


def _end_job(wave: _Wave, state: JobState, output_hash: str | None, kind: ErrorKind | None, error: str | None) -> None:
    values = {
        "state": state,
        "output_hash": output_hash,
        "error_kind": kind,
        "error": printable(error) if error else None,
        "finished_at": now(),
    }
    ended = wave.connection.execute(_END_JOB, {"job": wave.job_id, **values}).one_or_none()
    if ended is None:
        return
    if ended.callback is not None:
        announce_end(wave.connection, wave.job_id, ended.tenant, ended.callback)
    if ended.lane == Lane.FAST and read_standing(wave.connection, ended.tenant).calls_in(ended.priority):
        wave.frees_fast_lane_of = ended.tenant
