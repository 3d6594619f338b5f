"""How good the answers of jobs were, as users, checks and judges say afterwards: what routers learn from."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, insert, select, update

from mirepoix.errors import InputError, NotFound
from mirepoix.ledger.tables import Feedback, Job, now
from mirepoix.printable import printable
from mirepoix.states import FeedbackSource, JobState, Store
from mirepoix.strict import unknown
from mirepoix.views import FeedbackView

LONGEST_NOTE = 2_000

_OF_JOBS = (
    select(*Feedback.__table__.c)
    .where(Feedback.job_id.in_(bindparam("jobs", expanding=True)))
    .order_by(Feedback.created_at, Feedback.source)
)


def record_feedback(
    connection: Connection, job_id: str, score: float, source: FeedbackSource | str, note: str | None = None
) -> None:
    """Write down what `source` thinks of the job's answer, in place of what it thought before.

    Raises NotFound, or InputError for a score outside 0..1, a job without an answer, or a note on texts not kept.
    """
    if not 0 <= score <= 1:
        raise InputError(f"a score is a number from 0 (of no use) to 1 (right), not {score!r}.")
    if source not in list(FeedbackSource):
        raise InputError(unknown(f"source {source!r}", source, list(FeedbackSource)))
    # The lock on the job's row makes two at the same moment take turns.
    query = select(Job.state, Job.store).where(Job.id == job_id).with_for_update()
    job = connection.execute(query).one_or_none()
    if job is None:
        raise NotFound(f"no job {job_id!r} in this ledger. `mirepoix jobs` lists them.")
    if job.state != JobState.SUCCEEDED:
        raise InputError(f"job {job_id} has no answer to judge: it is {job.state}.")
    row = {"score": float(score), "note": _note(note, Store(job.store)), "created_at": now()}
    mine = (Feedback.job_id == job_id, Feedback.source == source)
    if not connection.execute(update(Feedback).where(*mine).values(row)).rowcount:
        connection.execute(insert(Feedback).values(job_id=job_id, source=source, **row))


def read_feedback(connection: Connection, job_ids: Sequence[str]) -> dict[str, tuple[FeedbackView, ...]]:
    """What is thought of the answer of each of these jobs (at the most 500), the newest word last."""
    found: dict[str, tuple[FeedbackView, ...]] = dict.fromkeys(job_ids, ())
    for row in connection.execute(_OF_JOBS, {"jobs": list(job_ids)}):
        view = FeedbackView(source=FeedbackSource(row.source), score=row.score, note=row.note, at=row.created_at)
        found[row.job_id] += (view,)
    return found


def _note(note: str | None, store: Store) -> str | None:
    """A note is kept as it is, so there is none on a job whose texts are redacted or forgotten."""
    if note is None:
        return None
    if store is not Store.FULL:
        raise InputError(f"the job's pipeline says store: {store}, so no note is kept; give the score alone.")
    if not note.strip() or len(note) > LONGEST_NOTE:
        raise InputError(f"a note has 1 to {LONGEST_NOTE:,} characters.")
    return printable(note)
