"""The benchmark runs to its end; its figures are nobody's promise."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.world import clean_environ

pytestmark = [pytest.mark.system, pytest.mark.embedded]


def test_the_overhead_benchmark_measures_all_three() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.overhead", "--calls", "20", "--rounds", "1"],
        cwd=Path(__file__).parents[2],
        env=clean_environ() | {"COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rates = dict(re.findall(r"│ *(httpx alone|bare Celery|Mirepoix) │ *([\d,]+) │", done.stdout))
    assert len(rates) == 3, done.stdout
    assert all(int(rate.replace(",", "")) > 0 for rate in rates.values())
