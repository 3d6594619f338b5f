"""Answers that were paid for once and may serve again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from pydantic import JsonValue
from sqlalchemy import Connection, Row, select

from db.attempts import Asked, insert_attempt
from db.budgets import NOTHING
from db.steps import Claim
from mirepoix.ledger.contents import encode, load
from mirepoix.ledger.tables import Attempt, Job, Step, now

LOOKED_AT = 5
"""How many of the newest answers are looked at for one that serves."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """An answer that the same request got before."""

    attempt_id: int
    answer: JsonValue
    finish_reason: str | None
    row: Row[*tuple[object, ...]]

    @property
    def form(self) -> str | None:
        """As what the JSON stood in it."""
        form: str | None = self.row.form
        return form


def earlier_answers(
    connection: Connection, claim: Claim, asked: Asked, ttl: float, *, path: str | None
) -> Iterator[Earlier]:
    """The answers that this very request got from its provider within `ttl` seconds, the newest first.

    Only those of the same pipeline and tenant, and that were really asked for: what was cached is not cached again,
    which would stretch the time. With `path` only those of the step there.
    """
    query = (
        select(*Attempt.__table__.c)
        .join(Job, Job.id == Attempt.job_id)
        .where(Attempt.prompt_hash == encode(asked.prompt)[0], Attempt.provider == asked.provider)
        .where(Attempt.wire_name == asked.wire_name, Attempt.error_kind.is_(None), Attempt.cached_from.is_(None))
        .where(Attempt.answer_hash.is_not(None), Attempt.finished_at > now() - timedelta(seconds=ttl))
        .where(Job.pipeline == claim.job.pipeline, Job.tenant == claim.job.tenant)
        .order_by(Attempt.id.desc())
        .limit(LOOKED_AT)
    )
    rows = connection.execute(query if path is None else query.where(Attempt.path == path)).all()
    answers = load(connection, [row.answer_hash for row in rows])
    for row in rows:
        if row.answer_hash not in answers:  # not stored any more
            continue
        yield Earlier(row.id, answers[row.answer_hash], row.finish_reason, row)


def answer_before(connection: Connection, claim: Claim) -> tuple[Asked, Earlier, JsonValue] | None:
    """What the job that this one runs again was asked and answered at this step, and what came of it as its output."""
    again = claim.job.again
    if again is None or claim.path not in again.steps:
        return None
    query = select(*Attempt.__table__.c).where(Attempt.job_id == again.job, Attempt.path == claim.path)
    answered = query.where(Attempt.error_kind.is_(None), Attempt.answer_hash.is_not(None))
    row = connection.execute(answered.order_by(Attempt.id.desc()).limit(1)).one_or_none()
    step = select(Step.output_hash).where(Step.job_id == again.job, Step.path == claim.path)
    output_hash = connection.execute(step).scalar_one_or_none()
    if row is None or output_hash is None:
        return None
    texts = load(connection, [row.answer_hash, output_hash, row.prompt_hash])
    asked = Asked(row.provider, row.model, row.wire_name, texts.get(row.prompt_hash))
    return asked, Earlier(row.id, texts.get(row.answer_hash), row.finish_reason, row), texts.get(output_hash)


def record_cached(connection: Connection, claim: Claim, asked: Asked, earlier: Earlier, form: str | None) -> None:
    """Add an attempt for which nobody was asked: no tokens, no cost."""
    moment, row = now(), earlier.row
    values = {
        "prompt_hash": row.prompt_hash,
        "answer_hash": row.answer_hash,
        "finish_reason": row.finish_reason,
        "logprob": row.logprob,
        "form": form,
        "cached_from": row.id,
        "reserved": NOTHING,
        "cost": NOTHING,
        "input_tokens": 0,
        "output_tokens": 0,
        "latency": None,
        "started_at": moment,
        "finished_at": moment,
    }
    insert_attempt(connection, claim, asked, values)
