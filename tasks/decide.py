"""How a step decides: claim it, think, and record, in one transaction.

A decision that was not written down was not made. What there is to think about: `tasks.choose` (routes and conditions),
`tasks.cascade`, `tasks.ensemble`, `tasks.spread` (maps).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from celery import Signature
from pydantic import JsonValue
from sqlalchemy import Connection

from db.answers import Progress, answer_step, fail_step, spawn_steps
from db.decisions import read_below, record_decision
from db.steps import Claim, claim_step
from mirepoix.ended import Below
from mirepoix.errors import PipelineError
from mirepoix.paths import Place, find
from mirepoix.planned import PlannedStep
from mirepoix.states import ErrorKind
from mirepoix.views import Decision
from pipelines.canvas import Canvas
from pipelines.plan import plan
from tasks.house import House
from tasks.memory import NotLookedInto
from tasks.showing import current_task_id


@dataclass(frozen=True, slots=True)
class Ended:
    """The step has its answer, or, with `error`, none."""

    progress: Progress
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Apart:
    """The step waits, beside these canvases; it is to be woken `after` so many seconds, if that is not None."""

    canvases: tuple[Signature[Any], ...]
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Deciding:
    """A claimed step that decides, inside the transaction that claimed it."""

    house: House
    connection: Connection
    claim: Claim
    place: Place

    @property
    def canvas(self) -> Canvas:
        """Builds what comes next."""
        return self.house.canvas(self.claim.job_id, self.claim.job.lane)

    def below(self) -> list[Below]:
        """How the steps below this one ended."""
        return read_below(self.connection, self.claim.job_id, self.claim.path)

    def grow(self, decision: Decision, children: list[Place], canvas: Signature[Any]) -> Signature[Any]:
        """Write down the decision and the steps it calls for; `canvas` then takes this task's place."""
        steps = [step for place in children for step in plan(place)]
        return self.grow_steps(decision, steps, canvas, waits_for=len(children))

    def grow_steps(
        self, decision: Decision, steps: list[PlannedStep], canvas: Signature[Any], *, waits_for: int
    ) -> Signature[Any]:
        """As `grow`, for steps that are planned already."""
        record_decision(self.connection, self.claim, decision)
        spawn_steps(self.connection, self.claim, steps, self.house.providers, waits_for=waits_for)
        return canvas

    def answer(self, decision: Decision, output: JsonValue) -> Ended:
        """Write down the decision and the step's answer."""
        record_decision(self.connection, self.claim, decision)
        return Ended(answer_step(self.connection, self.claim, output))

    def fail(self, kind: ErrorKind, reason: str) -> Ended:
        """Write down why the step has no answer."""
        return Ended(fail_step(self.connection, self.claim, kind, reason), reason)


Outcome = Signature[Any] | Ended | Apart


def decide_claimed(
    house: House, job_id: str, path: str, think: Callable[[Deciding], Outcome]
) -> tuple[Claim, Outcome] | None:
    """As `decide_within`, in a transaction of its own; a long text is looked into between two tries of that."""
    try:
        with house.database.write() as connection:
            return decide_within(connection, house, job_id, path, think)
    except NotLookedInto as unseen:
        unseen.look()
        return decide_claimed(house, job_id, path, think)


def decide_within(
    connection: Connection, house: House, job_id: str, path: str, think: Callable[[Deciding], Outcome]
) -> tuple[Claim, Outcome] | None:
    """Claim and think in the transaction of `connection`; None when there is nothing to claim. Raises NotLookedInto."""
    claim = claim_step(connection, job_id, path, house.worker_id, current_task_id())
    if claim is None:
        return None
    deciding = Deciding(house, connection, claim, find(house.spec(connection, claim.job.version), path))
    try:
        return claim, think(deciding)
    except PipelineError as error:
        return claim, deciding.fail(ErrorKind.TEMPLATE, str(error))
