"""No statement on a job's way reads a whole table: what it costs must not grow with the jobs before it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event

from db.attempts import Asked, Outcome, close_attempt, open_attempt
from db.lanes import fill_fast_lane, waiting_tenants
from db.overdue import has_overdue_steps, late_jobs, overdue_jobs, take_overdue_jobs, take_overdue_steps
from db.waking import late_wakes
from mirepoix import Call, Chain, Ensemble
from mirepoix.ledger.engine import Database
from mirepoix.ledger.lanes import read_standing
from mirepoix.ledger.read import read_jobs, read_states
from mirepoix.spec import Pipeline
from mirepoix.states import Lane
from tasks.filing import file_some
from tests.db.ledger import begin

GROWING = ("jobs", "steps", "attempts", "contents", "decisions", "step_events", "job_texts", "deliveries")
WHOLE = re.compile(rf"SCAN ({'|'.join(GROWING)})\b")
PATIENCE = timedelta(hours=1)

Statements = dict[str, Any]
"""The statements that were executed, each with the parameters of one time."""


@contextmanager
def listening(database: Database) -> Iterator[Statements]:
    """What is executed meanwhile."""
    heard: Statements = {}

    def hear(connection: Connection, cursor: Any, statement: str, given: Any, context: Any, many: bool) -> None:
        if statement.startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")):
            heard.setdefault(statement, given[0] if many else given)

    event.listen(database.engine, "before_cursor_execute", hear)
    try:
        yield heard
    finally:
        event.remove(database.engine, "before_cursor_execute", hear)


def go_all_the_way(database: Database, spec: Pipeline, paths: list[str]) -> None:
    """Submit a job, ask and answer its calls, file it, read it."""
    run = begin(database, spec, key="once")
    for path in paths:
        claim = run.must_claim(path)
        with database.write() as connection:
            attempt = open_attempt(connection, claim, Asked("one", "a", "a", "prompt"))
        run.record(claim)
        with database.write() as connection:
            close_attempt(connection, attempt, Outcome(latency=1.0, answer="answer"))
    assert len(file_some(database, frozenset(), 0)) == 1
    with database.read() as connection:
        read_states(connection, [run.job_id])
        read_jobs(connection, [run.job_id])


def look_after(database: Database) -> None:
    """What reconcilers do, and whoever frees the fast lane."""
    with database.write() as connection:
        for tenant in [*waiting_tenants(connection), "default"]:
            read_standing(connection, tenant)
            fill_fast_lane(connection, tenant)
        late_jobs(connection, 10)
        late_wakes(connection, PATIENCE, 10)
        for lane in Lane:
            overdue_jobs(connection, lane, PATIENCE, 10)
            take_overdue_jobs(connection, lane, PATIENCE, 10)
            for provider in (None, "one"):
                has_overdue_steps(connection, provider, lane, PATIENCE)
                take_overdue_steps(connection, provider, lane, PATIENCE, 10)


CHAIN = Chain(steps=(Call(name="s0", model="a"), Call(name="s1", model="a")))
WAYS: dict[str, Callable[[Database], None]] = {
    "a call": lambda database: go_all_the_way(database, Call(model="a"), ["$"]),
    "a chain": lambda database: go_all_the_way(database, CHAIN, ["s0", "s1"]),
    "an ensemble": lambda database: go_all_the_way(
        database, Ensemble(members=(Call(model="a"),) * 2), ["members.0", "members.1", "$"]
    ),
    "repair": look_after,
}


@pytest.mark.embedded
@pytest.mark.parametrize("way", WAYS)
def test_no_statement_reads_a_whole_table(database: Database, way: str) -> None:
    with listening(database) as heard:
        WAYS[way](database)
    assert len(heard) > 5, heard
    plans = {}
    with database.read() as connection:
        for statement, given in heard.items():
            steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given).all()
            plans[statement] = [str(step[3]) for step in steps]
    whole = {statement: plan for statement, plan in plans.items() if any(map(WHOLE.match, plan))}
    assert not whole
