"""How an ensemble stands, as the ledger has it."""

from __future__ import annotations

from sqlalchemy import Connection

from db.decisions import read_below
from mirepoix.paths import Place
from pipelines import ensembles
from pipelines.ensembles import Standing


def standing_of(connection: Connection, job_id: str, place: Place) -> Standing:
    """How the ensemble at `place` stands in this job."""
    return ensembles.standing_of(place, job_id, read_below(connection, job_id, place.path))
