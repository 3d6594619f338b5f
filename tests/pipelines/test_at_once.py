"""Only decisions of the house's own code, as large as the pipeline says, are made at once."""

from __future__ import annotations

from typing import Any

import pytest

from mirepoix.spec import parse
from pipelines.at_once import decides_at_once

CALL = {"call": {"model": "a"}}
TIERS = [CALL, CALL]


def gated(**gates: Any) -> dict[str, Any]:
    return {"cascade": {"tiers": TIERS, "accept": {"gates": gates}}}


@pytest.mark.parametrize(
    "shape",
    [
        {"ensemble": {"members": TIERS}},
        {"ensemble": {"members": TIERS, "reduce": {"judge": {"model": "a"}}}},
        {"ensemble": {"members": TIERS, "quorum": 1}},
        {"cascade": {"tiers": TIERS}},
        gated(judge={"model": "a"}),
        gated(length={"min_words": 2}),
        {"route": {"by": "complexity", "to": [{"below": 0.5, **CALL}, CALL]}},
        {"if": {"when": "input", "then": CALL}},
    ],
    ids=str,
)
def test_the_houses_own_decisions_are(shape: dict[str, Any]) -> None:
    assert decides_at_once(parse(shape))


@pytest.mark.parametrize(
    "shape",
    [
        CALL,
        {"chain": TIERS},
        {"map": {"over": "{{ input }}", "each": CALL}},
        gated(function={"callable": "json:loads"}),
        {"cascade": {"tiers": [CALL, {"call": {"model": "b"}}], "policy": {"learned": "p", "target_quality": 0.9}}},
        {"route": {"by": "semantic", "to": [{"examples": ["one"], **CALL}, CALL]}},
        {"route": {"by": "learned", "router": "r", "target_quality": 0.9, "to": TIERS}},
        {"route": {"by": "fastest", "to": TIERS}},
        {"route": {"by": "their.module:router", "to": TIERS}},
    ],
    ids=str,
)
def test_what_may_take_its_time_is_not(shape: dict[str, Any]) -> None:
    assert not decides_at_once(parse(shape))
