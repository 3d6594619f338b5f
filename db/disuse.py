"""Delete texts that nothing refers to any more, while others go on storing and referring."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, not_, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from mirepoix.ledger.tables import Attempt, Content, Job, Step
from mirepoix.states import Store

BATCH = 500


def drop_unused(connection: Connection, hashes: Collection[str]) -> int:
    """Delete those of `hashes` that nothing refers to; returns how many. To be called last in a transaction.

    Who stores a text locks it (`contents.store`): one that is locked at this moment is passed over, it is in use. The
    references are looked for when the locks are held, so that none can come in between.
    """
    wanted, dropped = sorted(hashes), 0
    for start in range(0, len(wanted), BATCH):
        query = select(Content.hash).where(Content.hash.in_(wanted[start : start + BATCH]))
        free = list(connection.scalars(query.with_for_update(skip_locked=True)))
        if free:
            dropped += connection.execute(delete(Content).where(Content.hash.in_(free), not_(_is_used()))).rowcount
    return dropped


def find_unused(connection: Connection, hashes: Collection[str]) -> list[str]:
    """Those of `hashes` that nothing refers to at this moment."""
    query = select(Content.hash).where(Content.hash.in_(hashes), not_(_is_used()))
    return list(connection.scalars(query))


def old_contents(connection: Connection, before: datetime, after: str, limit: int) -> list[str]:
    """The next hashes behind `after`, of texts stored before that moment."""
    query = select(Content.hash).where(Content.hash > after, Content.created_at < before)
    return list(connection.scalars(query.order_by(Content.hash).limit(limit)))


def _is_used() -> ColumnElement[bool]:
    """What forgot its texts keeps their hashes, but that is no use of them."""
    remembers = not_(and_(Job.store == Store.NONE, Job.filed_at.is_not(None)))
    return or_(
        exists().where(Job.input_hash == Content.hash, remembers),
        *(exists().where(column == Content.hash, Job.id == job_id, remembers) for column, job_id in _REFERENCES),
    )


_REFERENCES: tuple[
    tuple[InstrumentedAttribute[str] | InstrumentedAttribute[str | None], InstrumentedAttribute[str]], ...
]
_REFERENCES = (
    (Step.output_hash, Step.job_id),
    (Attempt.prompt_hash, Attempt.job_id),
    (Attempt.answer_hash, Attempt.job_id),
)
"""A job's output is that of its root step."""
