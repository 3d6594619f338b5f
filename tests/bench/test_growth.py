"""Section d measures real jobs on the ledgers that it says, and leaves a filled one for the next run."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import growth, ledgers
from bench.growth import Size
from bench.scale import Scale

pytestmark = [pytest.mark.system, pytest.mark.embedded, pytest.mark.long, pytest.mark.timeout(300)]

SMALL = Size(ledgers=(10, 300), waiting=60, burst=6, single=1, beside=1, rounds=1, calls=6)


def test_all_ledgers_and_shapes_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "KEPT_IN", tmp_path)
    monkeypatch.setitem(growth.SIZES, Scale.QUICK, SMALL)
    result = growth.run(Scale.QUICK)
    ledger_rows = ["10 jobs before", "300 jobs before", "10 jobs before, again", "300 jobs before, 60 waiting"]
    assert [row.name for row in result.rows] == [*ledger_rows, *growth.SHAPES]
    for row in result.rows:
        assert row.median("CPU a job") == pytest.approx(sum(row.median(role) for role in growth.ROLES))
        assert row.median("worker") > 0
    assert result.row("a chain of 20").median("CPU a job") > 3 * result.row("an input of 1 kB").median("CPU a job")
    assert all(result.row(name).median("p50 alone") > 0 for name in ledger_rows)
    assert len(result.goals) == 3
    assert sorted(file.name.partition("-")[0] for file in tmp_path.glob("*.sqlite3")) == ["10", "300"]
