"""Section a measures what it says: real calls of real contestants, and only those."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import run as runner
from bench.contestants import OTHERS
from bench.result import Report
from tests.system.world import clean_environ

pytestmark = [pytest.mark.system, pytest.mark.embedded, pytest.mark.long, pytest.mark.timeout(300)]


def test_all_who_are_here_are_measured_and_the_absent_are_named(tmp_path: Path) -> None:
    kept = tmp_path / "bench.json"
    done = subprocess.run(
        [sys.executable, "-m", "bench.run", "--quick", "--only", "a", "--json", str(kept)],
        cwd=Path(runner.__file__).parents[1],
        env=clean_environ(),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = Report.model_validate(json.loads(kept.read_text()))
    (result,) = report.sections
    rows = {row.name: row for row in result.rows}
    assert {other.name for other in OTHERS} < set(rows)
    measured = {name for name, row in rows.items() if row.figures}
    assert {"asyncio + httpx", "bare Celery", "Mirepoix submit_many, SQLite", "Mirepoix submit, SQLite"} <= measured
    assert all(row.note.startswith("skipped: ") for name, row in rows.items() if name not in measured)
    ours = rows["Mirepoix submit_many, SQLite"]
    parts = sum(ours.median(role) for role in ("producer", "worker", "orchestrator", "broker"))
    assert ours.median("CPU") == pytest.approx(parts)
    assert ours.median("CPU") > rows["asyncio + httpx"].median("CPU") > 0
    assert [goal.value is not None for goal in result.goals[:1]] == [True]
    assert report.versions["celery"]
    assert "goal at most 2.5" in done.stdout
