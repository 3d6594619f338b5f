"""An ensemble: ask its members, and an adviser about their answers, until there is one answer or no hope of one."""

from __future__ import annotations

from datetime import timedelta

from db.answers import spawn_steps
from db.decisions import record_decision
from mirepoix.errors import PipelineError
from mirepoix.ledger.tables import now
from mirepoix.paths import advisers, child
from mirepoix.spec import Ensemble
from mirepoix.states import ErrorKind
from pipelines.ensembles import Answer, Consult, Fail, Wait, next_move
from pipelines.plan import plan
from tasks.decide import Apart, Deciding, Outcome
from tasks.standing import standing_of


def count_votes(step: Deciding) -> Outcome:
    """Make the ensemble's next move. All of it happens under the job's lock, so no member ends meanwhile."""
    node = step.place.node
    if not isinstance(node, Ensemble):
        raise PipelineError(f"step {step.place.path!r} is no ensemble.")
    match next_move(node, standing_of(step.connection, step.claim.job_id, step.place)):
        case Wait() as wait:
            return _wait(step, wait)
        case Consult(decision):
            adviser = advisers(step.place)[0]
            return step.grow(decision, [adviser], step.canvas.advised(step.place, adviser))
        case Answer(reduced):
            return step.answer(reduced.decision, reduced.output)
        case Fail(reason):
            return step.fail(ErrorKind.REDUCE, reason)


def _wait(step: Deciding, wait: Wait) -> Apart:
    """Ask more members, each by a canvas of its own; whichever of them ends wakes the ensemble by the ledger."""
    if wait.decision is not None:
        record_decision(step.connection, step.claim, wait.decision)
    asked = [child(step.place, index) for index in wait.ask]
    spawn_steps(
        step.connection,
        step.claim,
        [planned for place in asked for planned in plan(place)],
        step.house.providers,
        waits_for=wait.ends,
        wake_at=None if wait.after is None else now() + timedelta(seconds=wait.after),
        driven=True,
    )
    return Apart(tuple(step.canvas.of(place) for place in asked), wait.after)
