"""Spread a map over its items, and gather their answers."""

from __future__ import annotations

from mirepoix.errors import PipelineError
from mirepoix.spec import Map
from mirepoix.states import ErrorKind
from pipelines.plan import plan_items
from pipelines.spreading import gather, spread
from pipelines.values import find_items
from tasks.decide import Deciding, Outcome
from tasks.record import LedgerRecord


def spread_items(step: Deciding) -> Outcome:
    """A map: first spread over its items, then, after all have ended, gather their answers in a list."""
    node = step.place.node
    if not isinstance(node, Map):
        raise PipelineError(f"step {step.place.path!r} is no map.")
    below = step.below()
    if below:
        gathered = gather(node, below)
        if isinstance(gathered, str):
            return step.fail(ErrorKind.CHILD, gathered)
        return step.answer(gathered.decision, gathered.output)
    items = find_items(LedgerRecord(step.connection, step.claim), step.place)
    decision = spread(items)
    if not items:
        return step.answer(decision, [])
    at_first = min(len(items), node.at_once or len(items))
    steps, canvas = plan_items(step.place, len(items)), step.canvas.fan(step.place, at_first)
    return step.grow_steps(decision, steps, canvas, waits_for=len(items))
