"""Jobs that asked a model and have ended, and all texts that the ledger holds anywhere."""

from __future__ import annotations

from pydantic import JsonValue
from sqlalchemy import inspect, text

from db.answers import answer_step
from db.attempts import Asked, Outcome, close_attempt, open_attempt
from db.decisions import record_decision
from mirepoix import Call
from mirepoix.ledger.engine import Database
from mirepoix.prices import Usage
from mirepoix.privacy import Sensitive
from mirepoix.states import ErrorKind, Store
from mirepoix.views import Decision
from tasks.filing import file_some
from tests.db.ledger import Run, begin


def ask(
    database: Database,
    given: str,
    answer: JsonValue,
    *,
    store: Store | None = None,
    model: str = "a",
    tenant: str = "default",
    decision: Decision | None = None,
) -> Run:
    """A job whose one call answered badly once, then well."""
    run = begin(database, Call(model=model, store=store), given, tenant=tenant)
    claim = run.must_claim("$")
    asked = Asked("one", model, model, {"prompt": f"Asked: {given}"})
    with database.write() as connection:
        bad = open_attempt(connection, claim, asked)
        problems = f"it said {answer}"
        misfit = Outcome(latency=1, answer=f"bad {answer}", error_kind=ErrorKind.INVALID_OUTPUT, error=problems)
        close_attempt(connection, bad, misfit)
        if decision is not None:
            record_decision(connection, claim, decision)
        good = open_attempt(connection, claim, asked)
    with database.write() as connection:
        answer_step(connection, claim, answer)
        close_attempt(connection, good, Outcome(latency=1, answer=answer, usage=Usage(input=3, output=2)))
    return run


def file_all(database: Database) -> None:
    """File every job that has ended, now."""
    while file_some(database, frozenset(Sensitive), forget_after=0):
        pass


def everything(database: Database) -> str:
    """Every cell of every table and index, as one text."""
    with database.read() as connection:
        names = inspect(connection).get_table_names()
        rows = [row for name in names for row in connection.execute(text(f'SELECT * FROM "{name}"')).all()]
    return "\n".join(str(tuple(row)) for row in rows)
