"""Whole traces, one after the other, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ColumnElement, Connection, and_, or_, true

from mirepoix.ledger.contents import load
from mirepoix.ledger.engine import Database
from mirepoix.ledger.read import read_traces
from mirepoix.ledger.search import Search, matching
from mirepoix.ledger.tables import Job
from mirepoix.views import ExportedTrace, TraceView

PAGE = 100


def export_traces(database: Database, search: Search) -> Iterator[ExportedTrace]:
    """The traces of all jobs that fit, the oldest first; each page is read in a transaction of its own."""
    behind: ColumnElement[bool] = true()
    while True:
        with database.read() as connection:
            query = matching(connection, search).add_columns(Job.created_at).where(behind)
            page = connection.execute(query.order_by(Job.created_at, Job.id).limit(PAGE)).all()
            traces = _export(connection, [row.id for row in page])
        yield from traces
        if len(page) < PAGE:
            return
        last = page[-1]
        later = and_(Job.created_at == last.created_at, Job.id > last.id)
        behind = and_(Job.created_at >= last.created_at, or_(Job.created_at > last.created_at, later))


def _export(connection: Connection, ids: list[str]) -> list[ExportedTrace]:
    traces = read_traces(connection, ids)
    texts = load(connection, [hash_ for trace in traces for hash_ in _hashes(trace)])
    return [
        ExportedTrace(**dict(trace), contents={hash_: texts[hash_] for hash_ in _hashes(trace) if hash_ in texts})
        for trace in traces
    ]


def _hashes(trace: TraceView) -> list[str]:
    """Of its prompts and answers, each once."""
    attempts = [attempt for step in trace.steps for call in step.calls for attempt in call.attempts]
    found = (hash_ for attempt in attempts for hash_ in (attempt.prompt_hash, attempt.answer_hash))
    return list(dict.fromkeys(hash_ for hash_ in found if hash_ is not None))
