"""The skill model, over many questions with fixed seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import mean

import pytest

from emulator.draws import generator
from emulator.profiles import DEFAULT_PROFILES, ModelProfile
from emulator.skill import Outcome, chance_of_right, stated_confidence, try_question

QUESTIONS = range(4000)
MINI = DEFAULT_PROFILES["gpt-5.4-mini"]


def outcomes(profile: ModelProfile, difficulty: float, rho: float = 0.6) -> list[Outcome]:
    return [
        try_question(
            profile,
            difficulty,
            shared=generator("question", question),
            own=generator(profile.name, question),
            rho=rho,
        )
        for question in QUESTIONS
    ]


def share_right(of: Sequence[Outcome]) -> float:
    return mean(outcome.right for outcome in of)


def area_under_roc(right: Sequence[float], wrong: Sequence[float]) -> float:
    """The chance that a right answer's confidence is above a wrong one's (ties count half)."""
    ranked = sorted([(value, True) for value in right] + [(value, False) for value in wrong])
    wins, below, place = 0.0, 0, 0
    while place < len(ranked):
        same = [is_right for value, is_right in ranked[place:] if value == ranked[place][0]]
        wins += sum(same) * (below + (len(same) - sum(same)) / 2)
        below += len(same) - sum(same)
        place += len(same)
    return wins / (len(right) * len(wrong))


@pytest.mark.parametrize("difficulty", [-1.0, 0.0, 1.0, 2.0])
def test_the_share_of_right_answers_is_the_chance_of_one(difficulty: float) -> None:
    assert share_right(outcomes(MINI, difficulty)) == pytest.approx(chance_of_right(MINI, difficulty), abs=0.03)


def test_harder_questions_are_answered_right_less_often() -> None:
    shares = [share_right(outcomes(MINI, difficulty)) for difficulty in (-2, -1, 0, 1, 2, 3)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.95
    assert shares[-1] < 0.15


def test_abler_models_are_right_more_often() -> None:
    shares = [share_right(outcomes(replace(MINI, skill=skill), 1)) for skill in (-1, 0, 1, 2, 3)]
    assert shares == sorted(shares)


def test_skill_rises_with_price_in_the_default_profiles() -> None:
    by_price = sorted(DEFAULT_PROFILES.values(), key=lambda profile: profile.price.output)
    skills = [profile.skill for profile in by_price]
    assert skills == sorted(skills)


def test_a_hopeless_question_is_guessed() -> None:
    guesser = replace(MINI, guess=0.25)
    assert share_right(outcomes(guesser, 20)) == pytest.approx(0.25, abs=0.03)


def agreement(rho: float) -> float:
    one = outcomes(MINI, 1, rho)
    other = outcomes(replace(MINI, name="twin"), 1, rho)
    return mean(left.right == right.right for left, right in zip(one, other, strict=True))


def test_equal_models_err_on_the_same_questions_at_rho_1_and_on_any_at_rho_0() -> None:
    assert agreement(1) == 1
    assert agreement(0) == pytest.approx(0.5, abs=0.03)
    assert 0.55 < agreement(0.6) < 0.75


@pytest.mark.parametrize("area", [0.5, 0.6, 0.75, 0.9, 1.0])
def test_the_stated_confidence_tells_right_from_wrong_as_well_as_its_profile_says(area: float) -> None:
    profile = replace(MINI, confidence_auroc=area, guess=0)
    tried = outcomes(profile, difficulty=profile.skill, rho=0)
    stated = [stated_confidence(profile, outcome, generator("says", n)) for n, outcome in enumerate(tried)]
    right = [value for value, outcome in zip(stated, tried, strict=True) if outcome.right]
    wrong = [value for value, outcome in zip(stated, tried, strict=True) if not outcome.right]
    assert area_under_roc(right, wrong) == pytest.approx(area, abs=0.02)


def test_the_stated_confidence_is_too_high() -> None:
    tried = outcomes(MINI, difficulty=1)
    stated = mean(stated_confidence(MINI, outcome, generator("says", n)) for n, outcome in enumerate(tried))
    assert stated > share_right(tried) + 0.15
