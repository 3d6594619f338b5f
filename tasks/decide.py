"""The tasks that decide: choose a branch, judge a tier, spread over items; an ensemble's are in `tasks.ensemble`.

Each claims its step, thinks and records in one transaction: a decision that was not written down was not made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from celery import Signature
from pydantic import JsonValue
from sqlalchemy import Connection

from db.answers import Progress, answer_step, fail_step, spawn_steps
from db.decisions import Below, read_below, record_decision
from db.steps import Claim, claim_step
from db.waking import Wake
from mirepoix.errors import PipelineError, StepFailed
from mirepoix.paths import Place, child, find
from mirepoix.spec import Cascade, Map, Route
from mirepoix.states import ErrorKind, StepState
from mirepoix.views import Decision
from pipelines.canvas import Canvas
from pipelines.gates import Tier, decide_cascade
from pipelines.plan import plan
from pipelines.routers import choose_branch
from tasks.follow import follow
from tasks.house import House
from tasks.questions import as_text, read_items, visible_values
from tasks.waking import wake


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
        record_decision(self.connection, self.claim, decision)
        steps = [step for place in children for step in plan(place)]
        spawn_steps(self.connection, self.claim, steps, self.house.providers, waits_for=len(children))
        return canvas

    def answer(self, decision: Decision, output: JsonValue) -> Ended:
        """Write down the decision and the step's answer."""
        record_decision(self.connection, self.claim, decision)
        return Ended(answer_step(self.connection, self.claim, output))

    def fail(self, kind: ErrorKind, reason: str) -> Ended:
        """Write down why the step has no answer."""
        return Ended(fail_step(self.connection, self.claim, kind, reason), reason)


Outcome = Signature[Any] | Ended | Apart


def decide(house: House, job_id: str, path: str, think: Callable[[Deciding], Outcome]) -> Signature[Any] | None:
    """Claim the step at `path` and carry out what `think` makes of it; a duplicate finds nothing to claim.

    Returns the canvas that takes this task's place, if the decision calls for more work. Raises StepFailed when the
    step ended without an answer.
    """
    with house.database.write() as connection:
        claim = claim_step(connection, job_id, path, house.worker_id)
        if claim is None:
            return None
        deciding = Deciding(house, connection, claim, find(house.spec(connection, claim.job.version), path))
        try:
            outcome = think(deciding)
        except PipelineError as error:
            outcome = deciding.fail(ErrorKind.TEMPLATE, str(error))
    if isinstance(outcome, Signature):
        return outcome
    if isinstance(outcome, Apart):
        _send_apart(house, claim, outcome)
        return None
    follow(house, job_id, outcome.progress)
    if outcome.error is not None:
        raise StepFailed(outcome.error)
    return None


def _send_apart(house: House, claim: Claim, apart: Apart) -> None:
    if apart.after is not None:
        house.timers.after(apart.after, partial(wake, house, Wake(claim.job_id, claim.path, claim.epoch + 1)))
    for canvas in apart.canvases:
        canvas.apply_async()


def choose_route(step: Deciding) -> Outcome:
    """A route: take the branch that the query calls for."""
    node = step.place.node
    if not isinstance(node, Route):
        raise PipelineError(f"step {step.place.path!r} is no route.")
    query = as_text(visible_values(step.connection, step.claim, step.place)["previous"])
    index, decision = choose_branch(node, query, step.claim.job.task)
    branch = child(step.place, index)
    return step.grow(decision, [branch], step.canvas.of(branch))


def judge_tier(step: Deciding) -> Outcome:
    """A cascade, after a tier has ended: let its answer stand, or ask the next tier."""
    node = step.place.node
    if not isinstance(node, Cascade):
        raise PipelineError(f"step {step.place.path!r} is no cascade.")
    below = step.below()
    tiers = [Tier(tier.output, tier.finish_reason, tier.error) for tier in below]
    more = len(tiers) < len(node.tiers)
    stands, decision = decide_cascade(node.accept, tiers, more=more)
    if stands is not None:
        return step.answer(decision, below[stands].output)
    if more:
        return step.grow(decision, [child(step.place, len(tiers))], step.canvas.tier(step.place, len(tiers)))
    record_decision(step.connection, step.claim, decision)
    return step.fail(ErrorKind.EXHAUSTED, f"no tier gave an answer; the last one: {tiers[-1].error}")


def spread_items(step: Deciding) -> Outcome:
    """A map: first spread over its items, then, after all have ended, gather their answers in a list."""
    node = step.place.node
    if not isinstance(node, Map):
        raise PipelineError(f"step {step.place.path!r} is no map.")
    below = step.below()
    if below:
        failed = [item for item in below if item.state is not StepState.SUCCEEDED]
        if failed:
            reason = f"{len(failed)} of {len(below)} items failed; the first, {failed[0].path}: {failed[0].error}"
            return step.fail(ErrorKind.CHILD, reason)
        decision = Decision(choice="gather", reason=f"{len(below)} items answered", confidence=1.0, features={})
        return step.answer(decision, [item.output for item in below])
    items = read_items(step.connection, step.claim, step.place)
    decision = Decision(choice="spread", reason=f"{len(items)} items", confidence=1.0, features={"items": len(items)})
    if not items:
        return step.answer(decision, [])
    children = [child(step.place, index) for index in range(len(items))]
    return step.grow(decision, children, step.canvas.fan(step.place, len(items)))
