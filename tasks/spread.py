"""Spread a map over its items, and gather their answers."""

from __future__ import annotations

from db.decisions import Below
from mirepoix.errors import PipelineError
from mirepoix.spec import Map
from mirepoix.states import ErrorKind, StepState
from mirepoix.views import Decision
from pipelines.plan import plan_items
from tasks.decide import Deciding, Outcome
from tasks.questions import read_items


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
