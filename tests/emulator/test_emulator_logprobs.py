"""Token log-probabilities: their form on the wire, and how much they are worth to a gate."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import httpx
import pytest

from emulator.draws import generator
from emulator.logprobs import token_logprobs
from emulator.profiles import DEFAULT_PROFILES
from emulator.skill import stated_confidence
from tests.emulator.asking import Asking
from tests.emulator.streaming import read_stream
from tests.emulator.test_emulator_skill import QUESTIONS, area_under_roc, outcomes

ASK: dict[str, Any] = {
    "model": "gpt-4",
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
    "logprobs": True,
}


def ask(client: httpx.Client, **changes: Any) -> dict[str, Any]:
    answer = client.post("/v1/chat/completions", json={**ASK, **changes})
    choice: dict[str, Any] = answer.raise_for_status().json()["choices"][0]
    return choice


def test_each_token_tells_its_bytes_and_the_likeliest_at_its_place(openai: httpx.Client) -> None:
    told = ask(openai, top_logprobs=3)["logprobs"]
    assert told["refusal"] is None
    assert "".join(token["token"] for token in told["content"]) == "Paris"
    for token in told["content"]:
        assert bytes(token["bytes"]).decode() == token["token"]
        assert token["logprob"] < 0
        top = token["top_logprobs"]
        assert len(top) == 3
        assert [other["logprob"] for other in top] == sorted((other["logprob"] for other in top), reverse=True)
        assert len({other["token"] for other in top}) == 3
        assert {"token": token["token"], "logprob": token["logprob"], "bytes": token["bytes"]} in top
        assert sum(math.exp(other["logprob"]) for other in top) <= 1 + 1e-9


def test_without_top_logprobs_there_are_none_and_without_logprobs_neither(openai: httpx.Client) -> None:
    assert [token["top_logprobs"] for token in ask(openai)["logprobs"]["content"]] == [[], []]
    assert ask(openai, logprobs=False)["logprobs"] is None


def test_a_stream_tells_them_with_each_token(emulated: Asking) -> None:
    read = read_stream(emulated, "openai", "What is the capital of France?", logprobs=True, top_logprobs=1)
    told = [event["choices"][0]["logprobs"] for event in read.data[1:3]]
    assert [token["token"] for each in told for token in each["content"]] == ["Pari", "s"]
    assert read.data[0]["choices"][0]["logprobs"] is None


def test_they_follow_from_the_seed_and_the_request() -> None:
    one, again, other = (token_logprobs(["a", "b"], 0.5, 2, generator(seed)) for seed in (1, 1, 2))
    assert one == again
    assert one != other


@pytest.mark.parametrize("sureness", [0.01, 0.5, 0.99])
def test_their_mean_is_the_logarithm_of_how_sure_the_model_is(sureness: float) -> None:
    told = token_logprobs([str(number) for number in range(50)], sureness, 20, generator("luck"))
    assert sum(each.logprob for each in told) / len(told) == pytest.approx(math.log(sureness))
    assert all(len(each.top) == 20 for each in told)


@pytest.mark.parametrize("area", [0.5, 0.75, 1.0])
def test_their_mean_tells_right_from_wrong_as_well_as_the_profile_says(area: float) -> None:
    profile = replace(DEFAULT_PROFILES["gpt-5.4-mini"], confidence_auroc=area, guess=0)
    means: dict[bool, list[float]] = {True: [], False: []}
    for number, outcome in zip(QUESTIONS, outcomes(profile, difficulty=profile.skill, rho=0), strict=True):
        draws = generator("logprobs", number)
        told = token_logprobs(["to", "kens"], stated_confidence(profile, outcome, draws), 0, draws)
        means[outcome.right].append(sum(each.logprob for each in told) / 2)
    assert area_under_roc(means[True], means[False]) == pytest.approx(area, abs=0.02)
