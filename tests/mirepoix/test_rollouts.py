"""Which jobs go to the next version of their pipeline."""

from __future__ import annotations

import math

import pytest

from mirepoix import Call
from mirepoix.rollouts import NextVersion, Rollout, draw, is_shadowed, stay

MANY = 5000


def next_version(**settings: str) -> NextVersion:
    """Of a pipeline `ask`."""
    return NextVersion(Rollout.model_validate({"to": "ask_next", **settings}), Call(model="b"))


def drawn(share: str) -> set[int]:
    """The tenants that go to a canary with that share."""
    new = next_version(canary=share, by="tenant")
    return {number for number in range(MANY) if draw("ask", new, f"tenant {number}", "job").canary}


@pytest.mark.parametrize(("share", "of"), [("10%", 0.1), ("0.5%", 0.005), ("62.5%", 0.625)])
def test_a_share_of_the_keys_is_drawn(share: str, of: float) -> None:
    assert abs(len(drawn(share)) - of * MANY) < 4 * math.sqrt(MANY * of * (1 - of))


def test_who_is_in_stays_in_while_the_share_grows() -> None:
    assert drawn("5%") < drawn("20%") < drawn("50%")


def test_pipelines_draw_apart() -> None:
    new = next_version(canary="50%", by="tenant")
    ways = [[draw(name, new, f"tenant {number}", "job").canary for number in range(100)] for name in ("ask", "other")]
    assert ways[0] != ways[1]


def test_without_what_it_sticks_to_a_job_is_drawn_by_chance_and_says_so() -> None:
    new = next_version(canary="50%", by="tag:user")
    ways = [draw("ask", new, None, f"job {number}") for number in range(100)]
    assert {way.canary for way in ways} == {True, False}
    assert {way.decision.features["by"] for way in ways} == {"job"}
    assert {way.decision.choice for way in ways} == {"ask", "ask_next"}


def test_a_stopped_canary_draws_for_nobody() -> None:
    way = stay("ask", next_version(canary="50%"), "too many failed")
    assert way.canary is None
    assert (way.decision.choice, way.decision.reason) == ("ask", "the canary is stopped: too many failed")


def test_shadows_are_drawn_one_by_one_and_only_where_there_is_a_share() -> None:
    jobs = [f"job {number}" for number in range(MANY)]
    found = sum(is_shadowed(next_version(shadow="5%"), job) for job in jobs)
    assert abs(found - 0.05 * MANY) < 4 * math.sqrt(MANY * 0.05 * 0.95)
    assert not any(is_shadowed(next_version(canary="5%"), job) for job in jobs)
    assert all(is_shadowed(next_version(shadow="100%"), job) for job in jobs[:100])
