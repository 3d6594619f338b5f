"""Other questions, and models that have become better or worse, are noticed; chance is not."""

from __future__ import annotations

from typing import Any

import pytest

from learning.drift import FEWEST, find_drift, profile_of
from learning.known import split, train_on_known
from mirepoix.errors import InputError
from pipelines.learned.model import LearnedRouter
from tests.learning.traffic import outcomes

MODELS = ("cheap", "dear")


@pytest.fixture(scope="module")
def known() -> tuple[LearnedRouter, dict[str, Any]]:
    parts = split(outcomes(600), MODELS)
    router = train_on_known(parts.learn, MODELS)
    return router, profile_of(router, parts.measure)


@pytest.mark.parametrize("count", [60, 200, 1000])
def test_the_same_kind_of_questions_is_no_drift(known: tuple[LearnedRouter, dict[str, Any]], count: int) -> None:
    assert not find_drift(*known, outcomes(count, first=1000)).drifted


def test_other_questions_are(known: tuple[LearnedRouter, dict[str, Any]]) -> None:
    drift = find_drift(*known, outcomes(200, first=1000, share_hard=0.95))
    assert drift.drifted
    assert drift.shifts["chance of cheap"].much
    assert not any(gap.much for gap in drift.gaps.values()), "what it tells of them is still right"


def test_a_model_that_has_changed_is_noticed_by_its_labels(known: tuple[LearnedRouter, dict[str, Any]]) -> None:
    drift = find_drift(*known, outcomes(200, first=1000, share_hard=0.7, flipped=True))
    assert drift.gaps["cheap"].much
    assert drift.gaps["cheap"].right > drift.gaps["cheap"].predicted + 0.2
    assert not drift.gaps["dear"].much
    assert drift.drifted
    assert drift.as_json()["drifted"] is True


def test_without_labels_only_the_questions_are_compared(known: tuple[LearnedRouter, dict[str, Any]]) -> None:
    for outcome in (bare := outcomes(100, first=1000)):
        object.__setattr__(outcome, "score", {})
    assert find_drift(*known, bare).gaps == {}


def test_too_few_questions_tell_nothing(known: tuple[LearnedRouter, dict[str, Any]]) -> None:
    with pytest.raises(InputError, match=f"{FEWEST} are needed"):
        find_drift(*known, outcomes(FEWEST - 1, first=1000))
