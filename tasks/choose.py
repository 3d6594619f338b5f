"""Choose where a job goes on: a route takes one of its branches, a condition does its step or passes it over."""

from __future__ import annotations

from db.decisions import record_decision
from mirepoix.errors import PipelineError
from mirepoix.paths import child
from mirepoix.spec import If
from mirepoix.states import ErrorKind
from mirepoix.views import Decision
from pipelines.routers import choose_branch
from pipelines.routers.query import as_query
from pipelines.templates import evaluate
from tasks.decide import Deciding, Outcome
from tasks.questions import visible_values


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
    """A route: take the branch that the query calls for, among those that can answer it."""
    value = visible_values(step.connection, step.claim, step.place)["previous"]
    query = as_query(value, step.house.config, step.claim.job.task)
    choice = choose_branch(step.place, query, step.house.latencies(step.connection, step.place))
    if choice.index is None:
        record_decision(step.connection, step.claim, choice.decision)
        return step.fail(choice.failure or ErrorKind.NO_BRANCH, choice.decision.reason)
    branch = child(step.place, choice.index)
    return step.grow(choice.decision, [branch], step.canvas.of(branch))
