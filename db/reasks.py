"""The answers of a step that broke its schema: what its model is shown when it is asked again."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import JsonValue
from sqlalchemy import Connection, select

from db.steps import Claim
from mirepoix.ledger.contents import load
from mirepoix.ledger.tables import Attempt
from mirepoix.states import ErrorKind


@dataclass(frozen=True, slots=True)
class Broken:
    """How many answers of a model broke the schema; the last one, and what was wrong with it."""

    count: int
    answer: JsonValue
    problems: str


def broken_answers(connection: Connection, claim: Claim, model: str) -> Broken | None:
    """Those that `model` gave to this step, under whatever claim; None where there are none."""
    query = select(Attempt.answer_hash, Attempt.error).where(
        Attempt.job_id == claim.job_id,
        Attempt.path == claim.path,
        Attempt.model == model,
        Attempt.error_kind == ErrorKind.INVALID_OUTPUT,
    )
    rows = connection.execute(query.order_by(Attempt.id)).all()
    if not rows:
        return None
    last = rows[-1]
    return Broken(len(rows), load(connection, [last.answer_hash])[last.answer_hash], last.error or "")
