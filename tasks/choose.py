"""Choose where a job goes on: a route takes one of its branches, a condition does its step or passes it over."""

from __future__ import annotations

from db.decisions import record_decision
from mirepoix.paths import child
from mirepoix.spec import If
from mirepoix.states import ErrorKind
from pipelines.conditions import check_condition
from pipelines.routers import Choice, choose_branch
from pipelines.routers.pinned import pinned_branch
from pipelines.routers.query import as_query
from tasks.decide import Deciding, Outcome
from tasks.record import visible_values


def choose_next(step: Deciding) -> Outcome:
    """A route or a condition: take the way that is called for."""
    node = step.place.node
    return do_or_pass_over(step, node) if isinstance(node, If) else choose_route(step)


def do_or_pass_over(step: Deciding, node: If) -> Outcome:
    """An `if`: do what it holds where its expression is true, else pass it over with null for an answer."""
    decision = check_condition(node, visible_values(step.connection, step.claim, step.place))
    if decision.choice == "skip":
        return step.answer(decision, None)
    then = child(step.place, 0)
    return step.grow(decision, [then], step.canvas.of(then))


def choose_route(step: Deciding) -> Outcome:
    """A route: take the branch that the query calls for, among those that can answer it."""
    choice = pinned_branch(step.place, step.claim.job.again) or _choose(step)
    if choice.index is None:
        record_decision(step.connection, step.claim, choice.decision)
        return step.fail(choice.failure or ErrorKind.NO_BRANCH, choice.decision.reason)
    branch = child(step.place, choice.index)
    return step.grow(choice.decision, [branch], step.canvas.of(branch))


def _choose(step: Deciding) -> Choice:
    value = visible_values(step.connection, step.claim, step.place)["previous"]
    query = as_query(value, step.house.config, step.claim.job.task)
    measured = step.house.latencies(step.connection, step.place)
    return choose_branch(step.place, query, measured, step.house.trained.routers_of(step.connection, [step.place]))
