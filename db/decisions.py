"""What routers, gates and reducers decided, and what they decide upon."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import JsonValue
from sqlalchemy import Connection, bindparam, func, insert, select

from db.steps import Claim
from mirepoix.ended import Below
from mirepoix.ledger import tables
from mirepoix.ledger.contents import load
from mirepoix.ledger.tables import Attempt, Job, Step, now
from mirepoix.printable import printable
from mirepoix.states import StepState
from mirepoix.views import Decision

_RECORD = insert(tables.Decision)
_LAST_ATTEMPTS = (
    select(func.max(Attempt.id))
    .where(Attempt.job_id == bindparam("of_job"), Attempt.error_kind.is_(None))
    .group_by(Attempt.path)
)
_ANSWERS = select(Attempt.path, Attempt.finish_reason, Attempt.logprob).where(Attempt.id.in_(_LAST_ATTEMPTS))
_BELOW = (
    select(Step.path, Step.position, Step.state, Step.output_hash, Step.error)
    .where(Step.job_id == bindparam("of_job"), Step.parent == bindparam("at"))
    .order_by(Step.position)
)


def record_decision(connection: Connection, claim: Claim, decision: Decision) -> None:
    """Write down a decision under the claim in which it was made."""
    row = {
        "job_id": claim.job_id,
        "path": claim.path,
        "epoch": claim.epoch,
        "kind": claim.kind,
        "choice": printable(decision.choice, 400),
        "reason": printable(decision.reason),
        "confidence": decision.confidence,
        "features": decision.features,
        "trained": decision.trained,
        "created_at": now(),
    }
    connection.execute(_RECORD, row)


def read_below(connection: Connection, job_id: str, path: str) -> list[Below]:
    """The steps right below `path`, in order."""
    answers = {row.path: row for row in connection.execute(_ANSWERS, {"of_job": job_id})}
    steps = connection.execute(_BELOW, {"of_job": job_id, "at": path}).all()
    texts = load(connection, [step.output_hash for step in steps])
    return [
        Below(
            path=step.path,
            position=step.position,
            state=StepState(step.state),
            output=None if step.output_hash is None else texts[step.output_hash],
            error=step.error,
            finish_reason=answers[step.path].finish_reason if step.path in answers else None,
            logprob=answers[step.path].logprob if step.path in answers else None,
        )
        for step in steps
    ]


def read_input(connection: Connection, job_id: str) -> JsonValue:
    """What the job was submitted with."""
    hash_ = connection.execute(select(Job.input_hash).where(Job.id == job_id)).scalar_one()
    return load(connection, [hash_])[hash_]


def read_outputs(connection: Connection, job_id: str, paths: Iterable[str]) -> dict[str, JsonValue]:
    """The answers of those of `paths` that have one."""
    wanted = sorted(set(paths))
    if not wanted:
        return {}
    query = select(Step.path, Step.output_hash).where(Step.job_id == job_id, Step.path.in_(wanted))
    rows = connection.execute(query.where(Step.output_hash.is_not(None))).all()
    texts = load(connection, [hash_ for _, hash_ in rows])
    return {path: texts[hash_] for path, hash_ in rows if hash_ is not None}
