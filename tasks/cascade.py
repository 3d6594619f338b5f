"""A cascade decides: the answer of a tier stands, or the next tier is asked."""

from __future__ import annotations

from db.decisions import record_decision
from mirepoix.errors import PipelineError
from mirepoix.paths import child
from mirepoix.spec import Cascade
from mirepoix.states import ErrorKind
from pipelines.gates import Tier, decide_cascade
from tasks.decide import Deciding, Outcome


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
