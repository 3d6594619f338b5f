"""How an ensemble stands, as the ledger has it; and what its adviser is shown of that."""

from __future__ import annotations

from pydantic import JsonValue
from sqlalchemy import Connection

from db.decisions import Below, read_below
from mirepoix.paths import Place, advisers, is_adviser
from mirepoix.spec import Ensemble
from mirepoix.states import StepState
from pipelines.ensembles import Ballot, End, Standing, candidates
from pipelines.reducers import voices
from pipelines.reducers.verdict import mark_of, shown

ENDS = {StepState.SUCCEEDED: End.ANSWERED, StepState.PENDING: End.OPEN, StepState.RUNNING: End.OPEN}


def standing_of(connection: Connection, job_id: str, place: Place) -> Standing:
    """How the ensemble at `place` stands in this job."""
    asked = {adviser.path for adviser in advisers(place)}
    weights = voices(place)
    below = read_below(connection, job_id, place.path)
    members = tuple(_ballot(step, weights[step.position]) for step in below if step.path not in asked)
    adviser = next((_ballot(step, 1.0) for step in below if step.path in asked), None)
    return Standing(members, adviser, f"{job_id}/{place.path}")


def advice_values(connection: Connection, job_id: str, place: Place) -> dict[str, JsonValue]:
    """What the prompt of the adviser at `place` sees beside what every prompt does; nothing when it is none."""
    if place.parent is None or not is_adviser(place):
        return {}
    node = place.parent.node
    if not isinstance(node, Ensemble):
        return {}
    standing = standing_of(connection, job_id, place.parent)
    mark = mark_of(standing.seed)
    answers = [shown(group.members[0].answer, mark) for group in candidates(node, standing)]
    return {"answers": answers, "mark": mark}


def _ballot(step: Below, weight: float) -> Ballot:
    return Ballot(step.path, ENDS.get(step.state, End.FAILED), step.output, step.error, weight)
