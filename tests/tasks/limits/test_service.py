"""What it costs, what it leaves in Redis, and what happens when there is none."""

from __future__ import annotations

import re
import statistics
import threading
import time

import pytest
import redis

from mirepoix.config import Limits
from mirepoix.errors import LimitsUnavailable
from tasks.limits import Gatekeeper, Reason, connect_limits, most_tokens, wait_for_admission
from tasks.providers.base import Question, Turn
from tests.tasks.limits.setting import admitted, config, refused
from workers.stack import free_port

ALL = Limits(rpm=1_000_000, tpm=1_000_000_000, concurrency=1000)


@pytest.mark.parametrize(("what", "limits"), [("no limits", Limits()), ("all limits twice", ALL)])
def test_a_pair_of_questions_is_cheap(client: redis.Redis, what: str, limits: Limits) -> None:
    keeper = Gatekeeper(client, config(limits, limits), "w1", window=2)
    took = []
    for _ in range(1500):
        started = time.perf_counter()
        keeper.settle(admitted(keeper.admit("gpt", 100)), 50, failed=False)
        took.append(time.perf_counter() - started)
    print(f"\nadmit + settle, {what}: p50 {statistics.median(took) * 1e6:.0f} µs")
    assert statistics.median(took) < 0.02


def test_nothing_stays_in_redis_for_ever_and_everything_shares_a_hash_tag(client: redis.Redis) -> None:
    keeper = Gatekeeper(client, config(ALL, ALL), "w1", window=0.4)
    deadline = time.monotonic() + 1.2
    while time.monotonic() < deadline:
        keeper.settle(admitted(keeper.admit("gpt", 100)), 50, failed=True)
        keeper.settle(admitted(keeper.admit("gpt", 100)), 50, failed=False)
    keeper.settle(admitted(keeper.admit("gpt", 100)), 50, failed=True)
    admitted(keeper.admit("gpt", 100))
    _check_keys(client)
    client.delete("mirepoix:{openai}:gate")
    keeper.pause("openai", 0.1)
    _check_keys(client)
    assert client.hlen("mirepoix:{openai}:tpm") <= 0.4 / 0.003 + 4, "bins that have left the window must go"


def _check_keys(client: redis.Redis) -> None:
    keys = [str(key, "ascii") for key in client.scan_iter()]
    assert len(keys) == 7
    for key in keys:
        assert re.fullmatch(r"mirepoix:\{openai\}:(gate|(gpt:)?(calls|rpm|tpm))", key)
        assert client.pttl(key) > 0, key


@pytest.mark.parametrize("wipe", ["flushdb", "script_flush"])
def test_a_server_that_forgets_is_taught_again(client: redis.Redis, wipe: str) -> None:
    keeper = Gatekeeper(client, config(ALL, ALL), "w1")
    for _ in range(3):
        admission = admitted(keeper.admit("gpt", 1))
        getattr(client, wipe)()
        keeper.settle(admission, 1, failed=False)
        keeper.pause("openai", 0)
        keeper.forget(["w2"])


def test_a_redis_that_is_away_is_said_to_be(client: redis.Redis) -> None:
    with connect_limits(f"redis://127.0.0.1:{free_port()}/0") as away:
        keeper = Gatekeeper(away, config(), "w1")
        started = time.monotonic()
        with pytest.raises(LimitsUnavailable, match="does not answer"):
            keeper.admit("gpt", 1)
        assert time.monotonic() - started < 3
    admission = admitted(Gatekeeper(client, config(), "w1").admit("gpt", 1))
    with pytest.raises(LimitsUnavailable):
        keeper.settle(admission, 1, failed=False)


def test_a_waiting_call_stops_when_told_to(client: redis.Redis) -> None:
    keeper = Gatekeeper(client, config(), "w1")
    keeper.pause("openai", 30)
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    started = time.monotonic()
    assert refused(wait_for_admission(keeper, "gpt", 1, stop, most=60)).reason is Reason.PAUSED
    assert 0.15 < time.monotonic() - started < 2


def test_who_would_have_to_wait_too_long_is_told_at_once(client: redis.Redis) -> None:
    keeper = Gatekeeper(client, config(), "w1")
    keeper.pause("openai", 30)
    started = time.monotonic()
    assert refused(wait_for_admission(keeper, "gpt", 1, threading.Event(), most=29)).wait >= 29
    assert time.monotonic() - started < 1


def test_a_waiting_call_goes_out_when_there_is_room(client: redis.Redis) -> None:
    keeper = Gatekeeper(client, config(Limits(concurrency=1)), "w1")
    first = admitted(keeper.admit("gpt", 1))
    threading.Timer(0.3, keeper.settle, (first, 1), {"failed": False}).start()
    before = client.info("commandstats")["cmdstat_evalsha"]["calls"]
    admitted(wait_for_admission(keeper, "gpt", 1, threading.Event(), most=10))
    assert client.info("commandstats")["cmdstat_evalsha"]["calls"] - before < 15


def test_an_estimate_holds_prompt_system_and_all_that_may_be_answered() -> None:
    question = Question("gpt", turns=(Turn("user", "é" * 300),), system="x" * 300, max_tokens=1000, temperature=None)
    assert 1000 + 200 + 100 <= most_tokens(question) <= 1000 + 200 + 100 + 20
