"""Scenario files: what they may say, and that the emulator plays it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from emulator import DEFAULT_PROFILES, EmulatorProcess, EmulatorSettings, Fault, FaultKind, Scenario, load_scenario
from emulator.draws import generator
from emulator.latency import LatencyRange, draw_latency
from emulator.profiles import WireApi
from emulator.scenario import ModelOverride
from emulator.skill import stated_confidence, try_question
from mirepoix.config import Limits
from mirepoix.errors import ConfigError
from tests.emulator.asking import APIS, MODELS, Asking, asking

Start = Callable[[EmulatorSettings], EmulatorProcess]

YAML = """
faults:
- {kind: status, status: 429, retry_after: 1.5, provider: openai, times: 3}
- {kind: billed_then_drop, match: {contains: "number 7"}, probability: 0.5}
latency: {min: 0.05, max: 0.3}
rate_limits:
  openai: {rpm: 60, tpm: 10000, concurrency: 4}
models:
  gpt-6-luna: {skill: 99, guess: 1, steady: true}
"""
PLAYED = Scenario(
    faults=(
        Fault(kind=FaultKind.STATUS, status=429, retry_after=1.5, provider="openai", times=3),
        Fault.model_validate({"kind": "billed_then_drop", "match": {"contains": "number 7"}, "probability": 0.5}),
    ),
    latency=LatencyRange(min=0.05, max=0.3),
    rate_limits={"openai": Limits(rpm=60, tpm=10_000, concurrency=4)},
    models={"gpt-6-luna": ModelOverride(skill=99, guess=1, steady=True)},
)


@pytest.fixture(params=["yaml", "json"])
def scenario_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"scenario.{request.param}"
    text = YAML if request.param == "yaml" else PLAYED.model_dump_json(exclude_defaults=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_scenario_is_read_from_yaml_and_from_json(scenario_file: Path) -> None:
    assert load_scenario(scenario_file) == PLAYED


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fautls: []", r"scenario.yaml:1: unknown key 'fautls'\. Did you mean 'faults'\?"),
        (
            "faults:\n- {kind: drop}\n- {kind: drop, tmes: 3}",
            r":3: faults\.1: unknown key 'tmes'\. Did you mean 'times'",
        ),
        ("faults:\n- {kind: slow}", r":2: faults\.0: a fault of kind 'slow' needs 'seconds'\."),
        ("latency: {min: 2, max: 1}", r":1: latency: min, 2, is above max, 1\."),
        ("rate_limits: {openai: {rmp: 3}}", r"rate_limits\.openai: unknown key 'rmp'\. Did you mean 'rpm'\?"),
        ("rate_limits: {opnai: {rpm: 3}}", r"rate_limits.*Input should be 'openai', 'anthropic' or 'gemini'"),
        ("models: {gpt-4: {guess: 2}}", r"models\.gpt-4\.guess: Input should be less than or equal to 1"),
        ("faults: [", r":1: not valid YAML"),
        ("# nothing", r"scenario\.yaml is empty\."),
    ],
)
def test_a_mistake_in_a_scenario_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        load_scenario(path)


def test_a_scenario_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the scenario .*none\.yaml cannot be read"):
        load_scenario(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        ({"models": {"gpt-6-lun": {"skill": 1}}}, r"models: unknown model 'gpt-6-lun'\. Did you mean 'gpt-6-luna'\?"),
        ({"faults": [{"kind": "drop", "match": {"model": "luna"}}]}, r"faults\.0\.match\.model: unknown model 'luna'"),
    ],
)
def test_a_model_that_is_not_there_is_named_before_anything_starts(scenario: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        EmulatorSettings(scenario=Scenario.model_validate(scenario))


def test_a_star_stands_for_every_model_that_has_no_entry_of_its_own() -> None:
    scenario = Scenario(models={"*": ModelOverride(skill=99), "gpt-4": ModelOverride(guess=0.5)})
    played = scenario.play(DEFAULT_PROFILES)
    assert played["gpt-4"] == replace(DEFAULT_PROFILES["gpt-4"], guess=0.5)
    assert played["gpt-6-sol"] == replace(DEFAULT_PROFILES["gpt-6-sol"], skill=99)
    assert played.keys() == DEFAULT_PROFILES.keys()


def test_latencies_within_a_range_are_spread_over_it_and_follow_from_the_draws() -> None:
    within = LatencyRange(min=0.05, max=0.3)
    profile = DEFAULT_PROFILES["gpt-4"]
    drawn = [draw_latency(profile, 1000, generator("latency", number), within).total for number in range(1000)]
    assert 0.05 <= min(drawn) < 0.055
    assert 0.295 < max(drawn) <= 0.3
    assert sum(drawn) / 1000 == pytest.approx(0.175, abs=0.01)
    again = [draw_latency(profile, 5, generator("latency", number), within).total for number in range(9)]
    assert again == pytest.approx(drawn[:9])


def test_a_chance_of_one_is_certainty_whatever_the_luck() -> None:
    sure = replace(DEFAULT_PROFILES["gpt-4"], skill=99, guess=1.0)

    class WorstLuck(random.Random):
        def random(self) -> float:
            return 1 - 1e-16

    outcome = try_question(sure, 9, shared=WorstLuck(), own=WorstLuck(), rho=0.6)
    assert outcome.right
    assert 0 < stated_confidence(sure, outcome, generator(1)) < 1


PROMPTS = [
    "{}",
    "{}\n",
    "Answer the question as briefly as you can.\n\nQuestion: {}\nAnswer:",
    "You are one of three referees. Here is what was asked:\n\n\t«{}»\n\nThe others are not to be heard. "
    + "So be it. " * 400,
    "First, an example. What is 2 + 2? 4.\n{} Think twice!",
]


@pytest.fixture(scope="module")
def certain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    """An emulator whose models are always right, with odd answers to questions of all difficulties."""
    questions = [
        {
            "id": f"q{number}",
            "question": f"What is the {number}th secret of the temple?",
            "answer": f"Gold {number}: it's “{chr(0xE9 + number)}”,\n\ttwo lines; 100 %",
            "wrong": ["one", "two"],
            "difficulty": number - 4,
        }
        for number in range(10)
    ]
    path = tmp_path_factory.mktemp("gold") / "gold.jsonl"
    path.write_text("\n".join(map(json.dumps, questions)), encoding="utf-8")
    scenario = Scenario(models={"*": ModelOverride(skill=99, guess=1, steady=True)})
    with EmulatorProcess(EmulatorSettings(time_scale=0, answers=(path,), scenario=scenario)) as emulator:
        yield asking(emulator)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_model_that_is_always_right_says_exactly_the_known_answer_on_every_attempt(
    certain: Asking, api: WireApi, prompt: str
) -> None:
    for number in range(10):
        asked = prompt.format(f"What is the {number}th secret of the temple?")
        said = {certain.say(api, asked) for _ in range(3)}
        assert said == {f"Gold {number}: it's “{chr(0xE9 + number)}”,\n\ttwo lines; 100 %"}


@pytest.mark.parametrize("api", APIS)
def test_a_steady_model_says_the_same_on_every_attempt_even_how_sure_it_is(certain: Asking, api: WireApi) -> None:
    for asked in ("What is the 9th secret of the temple? State your confidence.", "Unknown. State your confidence."):
        said = {certain.say(api, asked) for _ in range(5)}
        assert len(said) == 1
        assert "Confidence: 0." in said.pop()
    rows = certain.rows()
    per_prompt = {(row["api"], row["prompt_hash"]): row["latency"] for row in rows}
    assert all(row["latency"] == per_prompt[row["api"], row["prompt_hash"]] for row in rows)
    assert MODELS[api] in {row["model"] for row in rows}


def test_an_emulator_plays_its_scenario_from_the_start(start: Start) -> None:
    there = asking(start(EmulatorSettings(scenario=PLAYED)))
    answers = [there.ask("openai", f"number {number}") for number in range(5)]
    assert [answer.status_code for answer in answers] == [429, 429, 429, 200, 200]
    assert answers[0].headers["retry-after-ms"] == "1500"
    assert "x-ratelimit-remaining-requests" in answers[4].headers
    assert all(0.05 <= row["latency"] <= 0.3 for row in there.rows() if row["billed"])
    assert there.struck() == [3, 0]
