"""rpm and tpm: in no window of time does more go out than allowed, and hardly less."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirepoix.config import Limits
from tasks.limits import Admission, Gatekeeper, Reason
from tasks.limits.gatekeeper import BINS
from tests.tasks.limits.hammer import hammer
from tests.tasks.limits.setting import (
    Clock,
    Counted,
    admitted,
    config,
    gatekeeper,
    most_in_any_window,
    most_seen_in_any_window,
    refused,
)

WINDOW, BIN = 60.0, 0.5


@pytest.mark.usefixtures("client")
def test_200_threads_keep_to_rpm_in_any_window(server: str) -> None:
    calls = hammer(server, config(Limits(rpm=300)), "w", threads=200, seconds=7, window=3)
    calls = [replace(call, amount=1) for call in calls]
    most = _report("rpm, 200 threads", calls, limit=300, window=3)
    assert most == 300
    assert len(calls) >= 0.95 * 900


@pytest.mark.usefixtures("client")
def test_processes_keep_to_tpm_in_any_window_while_calls_turn_out_smaller_than_estimated(
    server: str, elsewhere: ProcessPoolExecutor
) -> None:
    both = config(Limits(rpm=100_000, tpm=20_000), Limits(tpm=15_000))
    parts = [elsewhere.submit(hammer, server, both, f"w{number}", 50, 4.6, 2) for number in range(2)]
    calls = [call for part in parts for call in part.result()]
    most = _report("tpm, 2 processes of 50 threads", calls, limit=15_000, window=2)
    assert sum(call.amount for call in calls) >= 0.9 * 45_000
    assert most <= 15_000


def _report(what: str, calls: list[Counted], *, limit: int, window: float) -> int:
    """The most in any window on the server's clock, which the callers' own clocks must not contradict."""
    most, seen = most_in_any_window(calls, window), most_seen_in_any_window(calls, window)
    total = sum(call.amount for call in calls)
    took = max(call.answered for call in calls) - min(call.asked for call in calls)
    ideal = limit * (1 + int(took / window))
    print(f"\n{what}: limit {limit} in {window:g} s: most in any window {most} (by the callers' clocks {seen}),")
    print(f"    admitted {total} of ideally {ideal}, in {len(calls)} calls")
    assert seen <= limit
    return most


def test_the_wait_is_as_long_as_it_takes_for_enough_to_leave_the_window(client: redis.Redis, clock: Clock) -> None:
    keeper = gatekeeper(client, config(Limits(tpm=100)), clock)
    for _ in range(10):
        admitted(keeper.admit("gpt", 10))
        clock.turn(1)
    assert 50 <= refused(keeper.admit("gpt", 1)).wait <= 50 + 2 * BIN
    refusal = refused(keeper.admit("gpt", 35))
    assert refusal.reason is Reason.TPM
    assert 53 <= refusal.wait <= 53 + 2 * BIN
    clock.turn(refusal.wait)
    admitted(keeper.admit("gpt", 35))


def test_where_several_limits_refuse_the_longest_wait_is_told(client: redis.Redis, clock: Clock) -> None:
    keeper = gatekeeper(client, config(Limits(rpm=2, tpm=100)), clock)
    admitted(keeper.admit("gpt", 10))
    clock.turn(30)
    admitted(keeper.admit("gpt", 10))
    refusal = refused(keeper.admit("gpt", 95))
    assert refusal.reason is Reason.TPM
    assert refusal.wait >= 60
    refusal = refused(keeper.admit("gpt", 1))
    assert refusal.reason is Reason.RPM
    assert refusal.wait <= 30 + 2 * BIN


@pytest.mark.parametrize("window", [60.0, 13.3, 31.7])
def test_a_window_lasts_as_long_wherever_in_its_bin_it_begins(client: redis.Redis, clock: Clock, window: float) -> None:
    keeper = Gatekeeper(client, config(Limits(rpm=1)), "w1", window=window, clock=clock.source)
    for _ in range(60):
        admitted(keeper.admit("gpt", 1))
        for part in (0.997, 0.003):
            clock.turn(window * part)
            refused(keeper.admit("gpt", 1))
        clock.turn(window / 119 + 0.007)


def test_a_call_larger_than_the_limit_goes_out_alone(client: redis.Redis, clock: Clock) -> None:
    keeper = gatekeeper(client, config(Limits(tpm=100)), clock)
    admitted(keeper.admit("gpt", 1))
    refusal = refused(keeper.admit("gpt", 500))
    clock.turn(refusal.wait)
    admitted(keeper.admit("gpt", 500))
    assert refused(keeper.admit("gpt", 1)).reason is Reason.TPM


def test_unused_tokens_are_given_back_once(client: redis.Redis, clock: Clock) -> None:
    keeper = gatekeeper(client, config(Limits(tpm=100), Limits(tpm=100)), clock)
    first = admitted(keeper.admit("gpt", 100))
    for _ in range(3):
        keeper.settle(first, 40, failed=False)
    admitted(keeper.admit("gpt", 60))
    assert refused(keeper.admit("gpt", 1)).reason is Reason.TPM


def test_tokens_beyond_the_estimate_are_added(client: redis.Redis, clock: Clock) -> None:
    keeper = gatekeeper(client, config(Limits(tpm=100)), clock)
    keeper.settle(admitted(keeper.admit("gpt", 10)), 150, failed=False)
    assert refused(keeper.admit("gpt", 1)).reason is Reason.TPM


def test_an_estimate_stands_where_nobody_knows_better(client: redis.Redis, clock: Clock) -> None:
    keeper = gatekeeper(client, config(Limits(tpm=100)), clock)
    keeper.settle(admitted(keeper.admit("gpt", 100)), None, failed=None)
    refused(keeper.admit("gpt", 1))


def test_what_a_model_refuses_does_not_count_against_its_provider(client: redis.Redis, clock: Clock) -> None:
    keeper = gatekeeper(client, config(Limits(rpm=3), Limits(rpm=1)), clock)
    admitted(keeper.admit("gpt", 1))
    for _ in range(5):
        refused(keeper.admit("gpt", 1))
    admitted(keeper.admit("mini", 1))
    admitted(keeper.admit("mini", 1))
    assert refused(keeper.admit("mini", 1)).reason is Reason.RPM


def test_a_clock_that_is_set_back_far_does_not_close_the_window_for_long(client: redis.Redis, clock: Clock) -> None:
    keeper = gatekeeper(client, config(Limits(rpm=1)), clock)
    admitted(keeper.admit("gpt", 1))
    clock.turn(-3600)
    admitted(keeper.admit("gpt", 1))
    clock.turn(-20)
    refused(keeper.admit("gpt", 1))
    clock.turn(WINDOW + 20 + BIN)
    admitted(keeper.admit("gpt", 1))


@dataclass
class Book:
    """What was admitted, as a plain list of moments (ms) and tokens: the simplest model of a window."""

    calls: list[tuple[Admission, int]] = field(default_factory=list)

    def within(self, now_ms: int, span: float) -> tuple[int, int]:
        """Requests and tokens of the last `span` seconds."""
        tokens = [tokens for call, tokens in self.calls if call.at_ms >= now_ms - span * 1000]
        return len(tokens), sum(tokens)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(0, 130) | st.sampled_from([119, 120, 121, 122, 123])),
        st.tuples(st.just("call"), st.integers(0, 60)),
        st.tuples(st.just("settle"), st.integers(0, 60)),
    ),
    min_size=5,
    max_size=40,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rpm=st.integers(1, 6),
    tpm=st.integers(1, 120),
    window=st.sampled_from([60.0, 59.7, 13.3]),
    odd=st.sampled_from([0, 0.001, 0.049, 0.25]),
    steps=STEPS,
)
def test_whatever_happens_the_windows_are_exact_to_one_bin(
    client: redis.Redis, rpm: int, tpm: int, window: float, odd: float, steps: list[tuple[str, int]]
) -> None:
    client.flushdb()
    clock = Clock(client)
    keeper = Gatekeeper(client, config(Limits(rpm=rpm), Limits(tpm=tpm)), "w1", window=window, clock=clock.source)
    account = Account(keeper, clock, window, rpm, tpm)
    for step, number in steps:
        if step == "wait":
            clock.turn(number * account.bin + odd)
        elif step == "call":
            account.call(number)
        else:
            account.settle(number)


@dataclass
class Entry:
    """An admitted call and the tokens that it counts with."""

    call: Admission
    tokens: int
    ended: bool = False


@dataclass
class Account:
    """A gatekeeper, and what it admitted as a plain list: the simplest model of a window."""

    keeper: Gatekeeper
    clock: Clock
    window: float
    rpm: int
    tpm: int
    entries: list[Entry] = field(default_factory=list)

    @property
    def bin(self) -> float:
        """Its width in seconds."""
        return round(self.window * 1000 / BINS) / 1000

    def within(self, span: float) -> tuple[int, int]:
        """Requests and tokens of the last `span` seconds."""
        since = self.clock.now_ms - round(span * 1000)
        tokens = [entry.tokens for entry in self.entries if entry.call.at_ms >= since]
        return len(tokens), sum(tokens)

    def call(self, tokens: int) -> None:
        """Ask; whoever is refused waits as told, and is admitted then."""
        answer = self.keeper.admit("gpt", tokens)
        if not isinstance(answer, Admission):
            requests, spent = self.within(self.window + self.bin)
            assert requests + 1 > self.rpm or (spent and spent + tokens > self.tpm), f"refused without need: {answer}"
            assert answer.wait <= self.window + 2 * self.bin
            self.clock.turn(answer.wait)
            answer = admitted(self.keeper.admit("gpt", tokens))
        requests, spent = self.within(self.window)
        assert requests + 1 <= self.rpm
        assert spent == 0 or spent + tokens <= self.tpm
        self.entries.append(Entry(answer, tokens))

    def settle(self, tokens: int) -> None:
        """One of the last calls has used `tokens`, unless that was said before."""
        if not self.entries:
            return
        entry = self.entries[-1 - tokens % min(3, len(self.entries))]
        self.keeper.settle(entry.call, tokens, failed=None)
        if not entry.ended:
            entry.tokens, entry.ended = tokens, True
