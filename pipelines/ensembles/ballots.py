"""How an ensemble stands, read from how the steps below it ended."""

from __future__ import annotations

from collections.abc import Sequence

from mirepoix.ended import Below
from mirepoix.paths import Place, advisers
from mirepoix.states import StepState
from pipelines.ensembles.standing import Ballot, End, Standing
from pipelines.reducers import voices

ENDS = {StepState.SUCCEEDED: End.ANSWERED, StepState.PENDING: End.OPEN, StepState.RUNNING: End.OPEN}


def standing_of(place: Place, job_id: str, below: Sequence[Below]) -> Standing:
    """How the ensemble at `place` of that job stands, given the steps below it."""
    asked = {adviser.path for adviser in advisers(place)}
    weights = voices(place)
    members = tuple(_ballot(step, weights[step.position]) for step in below if step.path not in asked)
    adviser = next((_ballot(step, 1.0) for step in below if step.path in asked), None)
    return Standing(members, adviser, f"{job_id}/{place.path}")


def _ballot(step: Below, weight: float) -> Ballot:
    return Ballot(step.path, ENDS.get(step.state, End.FAILED), step.output, step.error, weight)
