"""Section g commits as often as it says, and counts the rows that are there."""

from __future__ import annotations

import pytest

from bench import ledger
from bench.ledger import Size
from bench.scale import Scale

JOBS = 5
ROWS_OF_A_JOB = 5
"""The job, its step, its attempt, its input and its prompt; all have the same answer."""


def test_each_way_commits_as_often_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "missing", lambda: "PostgreSQL is not wanted")
    monkeypatch.setattr(ledger, "TOGETHER", JOBS)
    monkeypatch.setitem(ledger.SIZES, Scale.QUICK, Size(jobs=2 * JOBS, rounds=1))
    result = ledger.run(Scale.QUICK)
    each, used, many = (result.row(f"SQLite, {way}").median("commits") for way in ledger.WAYS)
    assert used == pytest.approx(3 + 1 / JOBS)
    assert many == pytest.approx(1 / JOBS)
    assert each > 2 * used
    for row in (row for row in result.rows if row.figures):
        assert row.median("rows") / row.median("jobs") == pytest.approx(ROWS_OF_A_JOB)
    assert result.row("PostgreSQL").note == "skipped: PostgreSQL is not wanted"
    assert len(result.goals) == 1
