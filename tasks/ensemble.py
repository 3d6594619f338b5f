"""What an ensemble does when its members have ended."""

from __future__ import annotations

from mirepoix.errors import PipelineError
from mirepoix.spec import Ensemble
from mirepoix.states import ErrorKind, StepState
from pipelines.reducers import Member, majority_vote
from tasks.decide import Deciding, Outcome


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
