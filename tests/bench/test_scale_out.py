"""Section e measures real worker processes, here and on other hosts, or says why not."""

from __future__ import annotations

import pytest

from bench import scale_out
from bench.hosts import missing as no_hosts
from bench.scale import Scale
from bench.scale_out import Size
from bench.servers import missing as no_servers

pytestmark = [pytest.mark.system, pytest.mark.long, pytest.mark.timeout(400)]

SMALL = Size(processes=(1, 2), hosts=(1,), seconds=6, held=2, latency=1.0)


def test_processes_and_hosts_are_measured_or_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(scale_out.SIZES, Scale.QUICK, SMALL)
    result = scale_out.run(Scale.QUICK)
    names = [row.name for row in result.rows]
    if (reason := no_servers()) is not None:
        assert [row.note for row in result.rows] == [f"skipped: {reason}"]
        return
    assert names[:2] == ["1 process", "2 processes"]
    assert names[2:] == (["1 host"] if no_hosts() is None else ["hosts"])
    for row in (row for row in result.rows if row.figures):
        assert 0 < row.median("of full") < 130
        assert row.median("CPU a call") > 0
    assert result.goals[0].value is not None
