"""Choose where a job goes on: a route takes one of its branches, a condition does its step or passes it over."""

from __future__ import annotations

from mirepoix.errors import PipelineError
from mirepoix.paths import child
from mirepoix.spec import If, Route
from mirepoix.views import Decision
from pipelines.routers import choose_branch
from pipelines.templates import evaluate
from tasks.decide import Deciding, Outcome
from tasks.questions import as_text, visible_values


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
