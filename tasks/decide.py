"""The tasks that decide: choose a branch, count votes, spread over items (and judge a tier: `tasks.cascade`).

Each claims its step, thinks and records in one transaction: a decision that was not written down was not made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from celery import Signature
from pydantic import JsonValue
from sqlalchemy import Connection

from db.answers import Progress, answer_step, fail_step, spawn_steps
from db.decisions import Below, read_below, record_decision
from db.steps import Claim, claim_step
from mirepoix.errors import PipelineError, StepFailed
from mirepoix.paths import Place, child, find
from mirepoix.planned import PlannedStep
from mirepoix.spec import Ensemble, If, Map, Route
from mirepoix.states import ErrorKind, StepState
from mirepoix.views import Decision
from pipelines.canvas import Canvas
from pipelines.plan import plan, plan_items
from pipelines.reducers import Member, majority_vote
from pipelines.routers import choose_branch
from pipelines.templates import evaluate
from tasks.follow import follow
from tasks.house import House
from tasks.questions import as_text, read_items, visible_values


@dataclass(frozen=True, slots=True)
class Ended:
    """The step has its answer, or, with `error`, none."""

    progress: Progress
    error: str | None = None


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


Outcome = Signature[Any] | Ended


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
    follow(house, job_id, outcome.progress)
    if outcome.error is not None:
        raise StepFailed(outcome.error)
    return None


def choose_next(step: Deciding) -> Outcome:
    """A route or a condition: take the way that is called for."""
    return check_condition(step) if isinstance(step.place.node, If) else choose_route(step)


def check_condition(step: Deciding) -> Outcome:
    """An `if`: do what it holds where its expression is true, else pass it over with null for an answer."""
    node = step.place.node
    if not isinstance(node, If):
        raise PipelineError(f"step {step.place.path!r} is no condition.")
    holds = bool(evaluate(node.when, visible_values(step.connection, step.claim, step.place)))
    reason = f"{node.when!r} is {'true' if holds else 'false'}"
    decision = Decision(choice="then" if holds else "skip", reason=reason, confidence=1.0, features={"holds": holds})
    if not holds:
        return step.answer(decision, None)
    then = child(step.place, 0)
    return step.grow(decision, [then], step.canvas.of(then))


def choose_route(step: Deciding) -> Outcome:
    """A route: take the branch that the query calls for."""
    node = step.place.node
    if not isinstance(node, Route):
        raise PipelineError(f"step {step.place.path!r} is no route.")
    query = as_text(visible_values(step.connection, step.claim, step.place)["previous"])
    index, decision = choose_branch(node, query, step.claim.job.task)
    branch = child(step.place, index)
    return step.grow(decision, [branch], step.canvas.of(branch))


def count_votes(step: Deciding) -> Outcome:
    """An ensemble, after all members have ended: make one answer of theirs, if enough of them answered."""
    node = step.place.node
    if not isinstance(node, Ensemble):
        raise PipelineError(f"step {step.place.path!r} is no ensemble.")
    below = step.below()
    answered = [Member(member.path, member.output) for member in below if member.state is StepState.SUCCEEDED]
    if len(answered) < node.quorum:
        first = next(member.error for member in below if member.state is not StepState.SUCCEEDED)
        reason = (
            f"{len(answered)} of {len(below)} members answered, {node.quorum} are needed; the first failure: {first}"
        )
        return step.fail(ErrorKind.REDUCE, reason)
    output, decision = majority_vote(answered)
    return step.answer(decision, output)


def spread_items(step: Deciding) -> Outcome:
    """A map: first spread over its items, then, after all have ended, gather their answers in a list."""
    node = step.place.node
    if not isinstance(node, Map):
        raise PipelineError(f"step {step.place.path!r} is no map.")
    below = step.below()
    if below:
        return _gather(step, node, below)
    items = read_items(step.connection, step.claim, step.place)
    decision = Decision(choice="spread", reason=f"{len(items)} items", confidence=1.0, features={"items": len(items)})
    if not items:
        return step.answer(decision, [])
    at_first = min(len(items), node.at_once or len(items))
    steps, canvas = plan_items(step.place, len(items)), step.canvas.fan(step.place, at_first)
    return step.grow_steps(decision, steps, canvas, waits_for=len(items))


def _gather(step: Deciding, node: Map, below: list[Below]) -> Outcome:
    failed = [item for item in below if item.state is not StepState.SUCCEEDED]
    answered, needed = len(below) - len(failed), len(below) if node.min_success is None else node.min_success
    if failed and answered < needed:
        reason = f"{len(failed)} of {len(below)} items failed; the first, {failed[0].path}: {failed[0].error}"
        return step.fail(ErrorKind.CHILD, reason)
    reason = f"{answered} of {len(below)} items answered" if failed else f"{len(below)} items answered"
    confidence, features = answered / len(below), {"failed": [item.path for item in failed]} if failed else {}
    decision = Decision(choice="gather", reason=reason, confidence=round(confidence, 4), features=features)
    return step.answer(decision, [item.output for item in below])
