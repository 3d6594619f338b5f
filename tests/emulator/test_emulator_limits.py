"""Rate limits: the arithmetic of the buckets, and the headers and refusals of both providers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator import EmulatorProcess, EmulatorSettings, Scenario
from emulator.limits import Excess, RateLimiter
from emulator.profiles import WireApi
from emulator.waits import go_duration
from mirepoix.config import Limits
from tests.emulator.asking import APIS, Asking, asking

Start = Callable[[EmulatorSettings], EmulatorProcess]


class Clock:
    """A clock that a test turns."""

    now = 1000.0

    def __call__(self) -> float:
        """The time now."""
        return self.now


def limiter(clock: Clock, **limits: int) -> RateLimiter:
    return RateLimiter({"openai": Limits(**limits), "anthropic": Limits(**limits)}, clock)


@given(st.integers(1, 600), st.lists(st.floats(0, 5), min_size=20, max_size=80))
def test_in_any_minute_no_more_than_twice_the_limit_is_admitted_and_a_told_wait_is_exact(
    rpm: int, pauses: list[float]
) -> None:
    """A full bucket and what flows in within the minute: the most that a token bucket lets through."""
    clock = Clock()
    limits, admitted = limiter(clock, rpm=rpm), list[float]()
    for pause in pauses:
        clock.now += pause
        admission = limits.admit("openai", "key", "model", 1)
        if admission.excess is not None:
            assert admission.excess.wait is not None
            clock.now += admission.excess.wait * 0.99
            assert limits.admit("openai", "key", "model", 1).excess is not None
            clock.now += admission.excess.wait * 0.01 + 1e-6
            assert limits.admit("openai", "key", "model", 1).excess is None
        admitted.append(clock.now)
    for moment in admitted:
        assert sum(moment - 60 < other <= moment for other in admitted) <= 2 * rpm


def test_a_key_and_a_model_have_limits_of_their_own() -> None:
    limits = limiter(Clock(), rpm=1)
    asked = [("one", "gpt-4"), ("two", "gpt-4"), ("one", "gpt-6"), ("one", "gpt-4")]
    assert [limits.admit("openai", key, model, 1).excess is None for key, model in asked] == [True, True, True, False]


def test_anthropic_gives_back_the_tokens_that_were_not_answered_and_openai_does_not() -> None:
    for api, left in (("openai", 400), ("anthropic", 900)):
        limits = limiter(Clock(), tpm=1000)
        admission = limits.admit("openai" if api == "openai" else "anthropic", "key", "model", 600)
        admission.settle(100)
        assert admission.levels()[0].remaining == left


def test_a_refused_request_takes_nothing_and_the_longest_wait_is_told() -> None:
    clock = Clock()
    limits = limiter(clock, rpm=2, tpm=1000)
    limits.admit("openai", "key", "model", 600)
    for _ in range(5):
        excess = limits.admit("openai", "key", "model", 700).excess
        assert excess is not None
        assert replace(excess, wait=None) == Excess("tokens", 1000, used=600, requested=700, wait=None)
        assert excess.wait == pytest.approx(18)
    assert [level.remaining for level in limits.admit("openai", "key", "model", 400).levels()] == [0, 0]


def test_a_request_beyond_the_whole_limit_is_told_no_wait() -> None:
    assert limiter(Clock(), tpm=10).admit("openai", "key", "model", 11).excess == Excess("tokens", 10, 0, 11, None)


def test_only_so_many_are_let_in_at_once() -> None:
    limits = limiter(Clock(), concurrency=2)
    first, second, third = (limits.admit("openai", "key", "model", 1) for _ in range(3))
    assert (first.excess, second.excess) == (None, None)
    assert third.excess == Excess("concurrency", 2, 2, 1, None)
    third.release()
    assert limits.admit("openai", "key", "model", 1).excess is not None, "a refused one frees no place"
    first.release()
    assert limits.admit("openai", "key", "model", 1).excess is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0ms"), (0.0121, "13ms"), (1, "1s"), (1.5, "1.5s"), (59.9999, "1m0s"), (60, "1m0s"), (361.2, "6m1.2s")],
)
def test_a_reset_is_told_as_openai_writes_durations(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text


@pytest.fixture(scope="module")
def limited() -> Iterator[Asking]:
    limits = Limits(rpm=120, tpm=6000, concurrency=2)
    scenario = Scenario(rate_limits={"openai": limits, "anthropic": limits})
    with EmulatorProcess(EmulatorSettings(time_scale=0, scenario=scenario)) as emulator:
        yield asking(emulator)


def test_every_answer_tells_how_much_is_left(limited: Asking) -> None:
    openai = limited.ask("openai", "x" * 4, max_tokens=395, model="gpt-4").headers  # 1 + 4 for the message + 395
    assert openai["x-ratelimit-limit-requests"] == "120"
    assert openai["x-ratelimit-remaining-requests"] == "119"
    assert openai["x-ratelimit-limit-tokens"] == "6000"
    assert 5600 <= int(openai["x-ratelimit-remaining-tokens"]) <= 5650
    assert openai["x-ratelimit-reset-requests"].endswith("ms")
    assert openai["x-ratelimit-reset-tokens"].endswith("s")
    anthropic = limited.ask("anthropic", max_tokens=500, model="claude-opus-5-5").headers
    assert anthropic["anthropic-ratelimit-requests-limit"] == "120"
    assert int(anthropic["anthropic-ratelimit-tokens-remaining"]) > 5900, "what was not answered is given back"
    reset = datetime.fromisoformat(anthropic["anthropic-ratelimit-tokens-reset"])
    assert abs((reset - datetime.now(UTC)).total_seconds()) < 5


@pytest.mark.parametrize("api", APIS)
def test_beyond_the_limit_it_is_429_with_a_wait_after_which_one_is_let_in(limited: Asking, api: WireApi) -> None:
    answers = [limited.ask(api, max_tokens=2900) for _ in range(3)] if api == "openai" else []
    while not answers or answers[-1].status_code == 200:
        answers.append(limited.ask(api))
    refused = answers[-1]
    assert refused.status_code == 429
    error = refused.json()["error"]
    if api == "openai":
        wait = int(refused.headers["retry-after-ms"]) / 1000
        assert (error["type"], error["code"]) == ("tokens", "rate_limit_exceeded")
        assert "on tokens per min (TPM): Limit 6000, Used" in error["message"]
    else:
        wait = int(refused.headers["retry-after"])
        assert error["type"] == "rate_limit_error"
        assert "of 120 requests per minute" in error["message"] or "of 6,000 tokens per minute" in error["message"]
    assert 0 < wait < 60
    row = limited.rows()[-1]
    assert (row["outcome"] in ("rate_limit_exceeded", "rate_limit_error"), row["billed"]) == (True, False)


def test_a_told_wait_is_long_enough(start: Start) -> None:
    scenario = Scenario(rate_limits={"openai": Limits(rpm=120)})
    there = asking(start(EmulatorSettings(time_scale=0, scenario=scenario)))
    while (refused := there.ask("openai")).status_code == 200:
        continue
    time.sleep(int(refused.headers["retry-after-ms"]) / 1000)
    assert there.ask("openai").status_code == 200


def test_too_many_at_once_are_refused_until_one_is_answered(limited: Asking) -> None:
    limited.set_faults({"kind": "slow", "seconds": 0.5})
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: limited.ask("openai", model="gpt-6-sol", max_tokens=5), range(3)))
    limited.set_faults()
    assert sorted(answer.status_code for answer in answers) == [200, 200, 429]
    assert limited.ask("openai", model="gpt-6-sol", max_tokens=5).status_code == 200
