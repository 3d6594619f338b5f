"""The quality model at the bounds of its knobs, where theory says what must come out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from statistics import mean

import pytest

from emulator.answers import Answer, Answerer
from emulator.draws import generator
from emulator.profiles import DEFAULT_PROFILES, ModelProfile
from emulator.questions import Question, QuestionBank
from emulator.wire import Ask, Message

COUNT = 3000
MEMBERS = 5
RIGHT = "right"
CHEAP = replace(DEFAULT_PROFILES["gpt-5.4-mini"], skill=0.0, guess=0)
STRONG = replace(CHEAP, name="strong", skill=2.0)


def question(number: int) -> str:
    return f"What is the secret number {number} of the temple?"


BANK = QuestionBank(
    Question(id=f"q{number}", question=question(number), answer=RIGHT, wrong=("one", "two", "three", "four"))
    for number in range(COUNT)
)


def answers(profile: ModelProfile, rho: float) -> list[Answer]:
    """What the model says to each question, with its confidence."""
    answerer = Answerer(BANK, seed=3, rho=rho)
    asks = (Ask(profile.name, (Message("user", question(number)),)) for number in range(COUNT))
    return [answerer.answer(ask, profile, generator(profile.name, number)) for number, ask in enumerate(asks)]


def quality(said: Sequence[str]) -> float:
    return mean(text == RIGHT for text in said)


def vote(members: Sequence[Sequence[str]]) -> list[str]:
    return [Counter(votes).most_common(1)[0][0] for votes in zip(*members, strict=True)]


def ensemble_and_single(rho: float) -> tuple[float, float]:
    members = [[answer.text for answer in answers(replace(CHEAP, name=f"m{n}"), rho)] for n in range(MEMBERS)]
    return quality(vote(members)), mean(quality(member) for member in members)


def test_at_rho_1_an_ensemble_of_equal_models_is_no_better_than_one_of_them() -> None:
    together, alone = ensemble_and_single(rho=1)
    assert together == alone


def test_at_rho_0_an_ensemble_of_equal_models_is_much_better_and_in_between_a_little() -> None:
    independent, alone = ensemble_and_single(rho=0)
    correlated, also_alone = ensemble_and_single(rho=0.6)
    assert alone == pytest.approx(0.5, abs=0.03)
    assert also_alone == pytest.approx(0.5, abs=0.03)
    # Of five voters right half of the time, whose errors spread over four texts: 0.5 three or more are right, and
    # with two right (0.31) the three wrong ones differ (0.375) or draw (0.56, half of them won): 0.71 in all.
    assert independent == pytest.approx(0.71, abs=0.03)
    assert alone + 0.02 < correlated < independent - 0.03


def cascade_and_mix(auroc: float) -> tuple[float, float]:
    """The quality of a cascade that escalates the less sure half, and of one that escalates any half."""
    cheap, strong = answers(replace(CHEAP, confidence_auroc=auroc), 0), answers(STRONG, 0)
    threshold = sorted(answer.confidence for answer in cheap)[COUNT // 2]
    escalated = [answer.confidence < threshold for answer in cheap]
    pairs = zip(cheap, strong, escalated, strict=True)
    cascade = quality([(dear if goes_on else near).text for near, dear, goes_on in pairs])
    share = mean(escalated)
    mix = (1 - share) * quality([each.text for each in cheap]) + share * quality([each.text for each in strong])
    return cascade, mix


def test_at_an_auroc_of_one_half_a_cascade_is_a_random_mix() -> None:
    cascade, mix = cascade_and_mix(0.5)
    assert cascade == pytest.approx(mix, abs=0.02)


def test_a_better_auroc_makes_a_better_cascade_and_an_oracle_the_best() -> None:
    cascade, mix = cascade_and_mix(0.75)
    oracle, _ = cascade_and_mix(1.0)
    assert cascade > mix + 0.05
    assert oracle > cascade + 0.05
