"""Concurrency: never more calls under way than allowed, and the places of the dead are given back."""

from __future__ import annotations

import os
import signal
import threading
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection

import redis

from mirepoix.config import Config, Limits
from tasks.limits import Admission, Gatekeeper, Reason, connect_limits, wait_for_admission
from tests.tasks.limits.hammer import in_threads
from tests.tasks.limits.relay import line_that_breaks_once
from tests.tasks.limits.setting import Clock, admitted, config, gatekeeper, refused

THREE = config(Limits(concurrency=3), Limits(concurrency=3))


def test_200_threads_of_20_workers_never_have_more_calls_under_way_than_allowed(client: redis.Redis) -> None:
    keepers = [Gatekeeper(client, config(Limits(concurrency=20)), f"w{number}") for number in range(20)]
    lock, stop = threading.Lock(), threading.Event()
    under_way = most = done = 0

    def call(number: int) -> None:
        nonlocal under_way, most, done
        keeper = keepers[number % len(keepers)]
        admission = admitted(wait_for_admission(keeper, "gpt", 10, stop, most=20))
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.02)
        with lock:
            under_way -= 1
            done += 1
        keeper.settle(admission, 10, failed=False)

    started = time.monotonic()
    in_threads(200, call)
    took = time.monotonic() - started
    print(f"\n200 calls of 20 ms, 20 at once: most under way {most}, took {took:.2f} s (ideal 0.20)")
    assert (most, done) == (20, 200)
    assert client.zcard("mirepoix:{openai}:calls") == 0


def test_provider_and_model_both_have_a_say(client: redis.Redis, clock: Clock) -> None:
    keeper = gatekeeper(client, config(Limits(concurrency=3), Limits(concurrency=1)), clock)
    first = admitted(keeper.admit("gpt", 1))
    assert refused(keeper.admit("gpt", 1)).reason is Reason.CONCURRENCY
    admitted(keeper.admit("mini", 1))
    admitted(keeper.admit("mini", 1))
    refused(keeper.admit("mini", 1))
    keeper.settle(first, 1, failed=False)
    admitted(keeper.admit("gpt", 1))


def _take_and_hang(url: str, settings: Config, worker: str, count: int, said: Connection) -> None:
    keeper = Gatekeeper(connect_limits(url), settings, worker)
    for _ in range(count):
        admitted(keeper.admit("gpt", 1))
    said.send("taken")
    time.sleep(60)


def test_a_killed_process_gives_its_places_back_when_it_is_buried(client: redis.Redis, server: str) -> None:
    spawn = get_context("spawn")
    here, there = spawn.Pipe()
    process = spawn.Process(target=_take_and_hang, args=(server, THREE, "victim", 2, there), daemon=True)
    process.start()
    assert here.recv() == "taken"
    keeper = Gatekeeper(client, THREE, "survivor")
    own = admitted(keeper.admit("gpt", 1))
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    refused(keeper.admit("gpt", 1))
    assert keeper.forget(["victim"]) == 2
    assert keeper.forget(["victim"]) == 0
    admitted(keeper.admit("gpt", 1))
    admitted(keeper.admit("gpt", 1))
    refused(keeper.admit("gpt", 1))
    keeper.settle(own, 1, failed=False)
    admitted(keeper.admit("gpt", 1))


def test_only_the_living_keep_their_places_and_newcomers_are_spared(client: redis.Redis, clock: Clock) -> None:
    alive, gone, newcomer = (gatekeeper(client, THREE, clock, worker) for worker in ("alive", "gone", "newcomer"))
    admitted(alive.admit("gpt", 1))
    admitted(gone.admit("gpt", 1))
    clock.turn(11)
    admitted(newcomer.admit("gpt", 1))
    assert alive.keep_only(["alive"]) == 1
    admitted(alive.admit("gpt", 1))
    refused(alive.admit("gpt", 1))


def test_a_place_that_nobody_gives_back_is_given_up_after_the_time_out(client: redis.Redis, clock: Clock) -> None:
    keeper = gatekeeper(client, config(Limits(concurrency=1)), clock)
    lost = admitted(keeper.admit("gpt", 1))
    clock.turn(120 + 59)
    refused(keeper.admit("gpt", 1))
    clock.turn(1)
    admitted(keeper.admit("gpt", 1))
    keeper.settle(lost, 1, failed=False)
    refused(keeper.admit("gpt", 1))


def test_an_admission_whose_answer_was_lost_counts_once(client: redis.Redis, server: str) -> None:
    settings = config(Limits(concurrency=2, rpm=2), Limits(concurrency=2))
    keeper = Gatekeeper(client, settings, "w1")
    keeper.settle(admitted(keeper.admit("mini", 1)), 1, failed=None)  # now the server knows the scripts
    with line_that_breaks_once(server, b"EVALSHA") as url, connect_limits(url) as shaky:
        admission = admitted(Gatekeeper(shaky, settings, "w2").admit("gpt", 1))
    assert client.zcard("mirepoix:{openai}:calls") == client.zcard("mirepoix:{openai}:gpt:calls") == 1
    assert client.hget("mirepoix:{openai}:rpm", "used") == b"2"
    keeper.settle(admission, 1, failed=None)
    assert client.zcard("mirepoix:{openai}:calls") == 0


def test_a_settlement_whose_answer_was_lost_counts_once(client: redis.Redis, server: str) -> None:
    settings = config(Limits(tpm=100))
    keeper = Gatekeeper(client, settings, "w1")
    keeper.settle(admitted(keeper.admit("gpt", 100)), 0, failed=None)  # now the server knows the scripts
    admission = admitted(keeper.admit("gpt", 100))
    with line_that_breaks_once(server, b"EVALSHA") as url, connect_limits(url) as shaky:
        Gatekeeper(shaky, settings, "w1").settle(admission, 40, failed=False)
    assert client.hget("mirepoix:{openai}:tpm", "used") == b"40"


def test_a_wiped_server_miscounts_only_until_the_calls_under_way_have_ended(client: redis.Redis) -> None:
    keeper = Gatekeeper(client, THREE, "w1")
    before = [admitted(keeper.admit("gpt", 1)) for _ in range(3)]
    client.flushdb()
    client.script_flush()
    after = [admitted(keeper.admit("gpt", 1)) for _ in range(3)]
    for admission in before:
        keeper.settle(admission, 1, failed=True)
    refused(keeper.admit("gpt", 1))
    for admission in after:
        keeper.settle(admission, 1, failed=False)
    assert all(isinstance(keeper.admit("gpt", 1), Admission) for _ in range(3))
