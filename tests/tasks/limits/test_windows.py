"""rpm and tpm: in no window of time does more go out than allowed, and hardly less."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import floor

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirepoix.config import Limits
from tasks.limits import Admission, Gatekeeper, Reason
from tests.tasks.limits.hammer import hammer, hammer_from_processes
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
    calls = hammer(server, config(Limits(rpm=300)), "w", threads=200, seconds=6.5, window=3)
    calls = [replace(call, amount=1) for call in calls]
    most = _report("rpm, 200 threads", calls, limit=300, window=3, ideal=900)
    assert most == 300
    assert len(calls) >= 0.99 * 900


@pytest.mark.usefixtures("client")
def test_processes_keep_to_tpm_in_any_window_while_calls_turn_out_smaller_than_estimated(server: str) -> None:
    both = config(Limits(rpm=100_000, tpm=20_000), Limits(tpm=15_000))
    calls = hammer_from_processes(3, server, both, threads=30, seconds=4.5, window=2)
    most = _report("tpm, 3 processes of 30 threads", calls, limit=15_000, window=2, ideal=45_000)
    assert sum(call.amount for call in calls) >= 0.9 * 45_000
    assert most <= 15_000


def _report(what: str, calls: list[Counted], *, limit: int, window: float, ideal: int) -> int:
    """The most in any window on the server's clock, which the callers' own clocks must not contradict."""
    most, seen = most_in_any_window(calls, window), most_seen_in_any_window(calls, window)
    total = sum(call.amount for call in calls)
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
        st.tuples(st.just("wait"), st.floats(0, 20) | st.sampled_from([BIN, WINDOW - BIN, WINDOW, WINDOW + BIN, 500])),
        st.tuples(st.just("call"), st.integers(0, 60)),
        st.tuples(st.just("settle"), st.integers(0, 60)),
    ),
    min_size=5,
    max_size=40,
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rpm=st.integers(1, 6), tpm=st.integers(1, 120), steps=STEPS)
def test_whatever_happens_the_windows_are_exact_to_one_bin(
    client: redis.Redis, rpm: int, tpm: int, steps: list[tuple[str, float]]
) -> None:
    client.flushdb()
    clock = Clock(client)
    keeper = gatekeeper(client, config(Limits(rpm=rpm), Limits(tpm=tpm)), clock)
    book = Book()
    for step, number in steps:
        if step == "wait":
            clock.turn(number)
        elif step == "call":
            _call(keeper, clock, book, floor(number), rpm, tpm)
        elif book.calls:
            admission, _ = book.calls.pop(0)
            keeper.settle(admission, floor(number), failed=None)
            book.calls.append((admission, floor(number)))


def _call(keeper: Gatekeeper, clock: Clock, book: Book, tokens: int, rpm: int, tpm: int) -> None:
    """Ask; whoever is refused waits as told, and is admitted then."""
    answer = keeper.admit("gpt", tokens)
    if not isinstance(answer, Admission):
        requests, spent = book.within(clock.now_ms, WINDOW + BIN)
        assert requests + 1 > rpm or (spent and spent + tokens > tpm), f"refused without need: {answer}"
        assert answer.wait <= WINDOW + 2 * BIN
        clock.turn(answer.wait)
        answer = admitted(keeper.admit("gpt", tokens))
    requests, spent = book.within(clock.now_ms, WINDOW)
    assert requests + 1 <= rpm
    assert spent == 0 or spent + tokens <= tpm
    book.calls.append((answer, tokens))
