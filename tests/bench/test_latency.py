"""The benchmark of an idle house measures every kind of job, and would notice calls that are missing."""

from __future__ import annotations

import pytest

from bench import latency
from bench.latency import KINDS


@pytest.mark.system
@pytest.mark.long
def test_every_kind_of_job_is_measured_beside_its_canvas() -> None:
    taken = latency.measure(dict.fromkeys(KINDS, 1), warm_up=1)
    assert taken.keys() == {
        *((kind.name, False) for kind in KINDS),
        *((kind.name, True) for kind in KINDS if kind.canvas is not None),
    }
    assert all(len(seconds) == 1 and seconds[0] > 0 for seconds in taken.values())
    result = latency.in_figures(taken)
    assert {row.name for row in result.rows} == {*(kind.name for kind in KINDS), latency.HOP, latency.ESCALATION}
    assert [goal.bound for goal in result.goals] == [4, 3, 1.3, 1.3, 1]


def test_a_hop_is_what_a_chain_adds_to_one_call_by_three() -> None:
    taken = {(kind.name, bare): [0.010] for kind in KINDS for bare in (False, True)}
    taken[latency.FOUR, False], taken[latency.FOUR, True] = [0.040], [0.025]
    taken[latency.ESCALATES, False] = [0.018]
    result = latency.in_figures(taken)
    assert result.row(latency.HOP).median("p50") == pytest.approx(10)
    assert result.row(latency.HOP).median("bare Celery p50") == pytest.approx(5)
    assert result.row(latency.ESCALATION).median("p50") == pytest.approx(8)
    hop = next(goal for goal in result.goals if "hop" in goal.text)
    assert hop.value == pytest.approx(2)
    assert hop.met is False
