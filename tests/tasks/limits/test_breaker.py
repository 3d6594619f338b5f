"""Pauses and the breaker: what one worker learns about a provider holds for all."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor

import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirepoix.config import Breaker, Config, Limits
from tasks.limits import Admission, Gatekeeper, Reason, Refusal, connect_limits
from tests.tasks.limits.setting import Clock, admitted, config, gatekeeper, refused

FRAIL = config(breaker=Breaker(failures=3, cooldown=4))


def test_all_workers_wait_out_a_pause_and_do_not_come_back_together(client: redis.Redis, clock: Clock) -> None:
    keeper, other = gatekeeper(client, FRAIL, clock), gatekeeper(client, FRAIL, clock, "w2")
    keeper.pause("openai", 20)
    waits = [refused(other.admit("mini", 1)).wait for _ in range(50)]
    assert refused(other.admit("mini", 1)).reason is Reason.PAUSED
    assert min(waits) >= 20
    assert max(waits) <= 25
    assert len({round(wait, 2) for wait in waits}) > 20
    clock.turn(20)
    admitted(other.admit("mini", 1))


def test_a_shorter_pause_does_not_shorten_a_longer_one(client: redis.Redis, clock: Clock) -> None:
    keeper = gatekeeper(client, FRAIL, clock)
    keeper.pause("openai", 20)
    keeper.pause("openai", 1)
    clock.turn(19)
    assert refused(keeper.admit("gpt", 1)).reason is Reason.PAUSED
    keeper.pause("openai", 10)
    clock.turn(9)
    refused(keeper.admit("gpt", 1))


def _ask(url: str, settings: Config) -> Admission | Refusal:
    with connect_limits(url) as client:
        return Gatekeeper(client, settings, "other").admit("gpt", 1)


def test_another_process_sees_the_pause(client: redis.Redis, server: str, elsewhere: ProcessPoolExecutor) -> None:
    Gatekeeper(client, FRAIL, "w1").pause("openai", 30)
    answer = refused(elsewhere.submit(_ask, server, FRAIL).result())
    assert answer.reason is Reason.PAUSED
    assert 20 < answer.wait <= 37.5


def _end(keeper: Gatekeeper, *, failed: bool | None) -> None:
    keeper.settle(admitted(keeper.admit("gpt", 1)), 1, failed=failed)


def _break(keeper: Gatekeeper) -> None:
    for _ in range(3):
        _end(keeper, failed=True)


def test_failures_in_a_row_open_the_breaker_for_all(client: redis.Redis, clock: Clock) -> None:
    keeper, other = gatekeeper(client, FRAIL, clock), gatekeeper(client, FRAIL, clock, "w2")
    _end(keeper, failed=True)
    _end(other, failed=True)
    _end(keeper, failed=False)
    _end(other, failed=True)
    _end(keeper, failed=None)
    _end(keeper, failed=True)
    _end(other, failed=True)
    refusal = refused(keeper.admit("gpt", 1))
    assert refusal.reason is Reason.BREAKER
    assert 4 <= refusal.wait <= 5
    refused(other.admit("mini", 1))


def test_one_probe_at_a_time_tries_and_its_success_closes(client: redis.Redis, clock: Clock) -> None:
    keeper, other = gatekeeper(client, FRAIL, clock), gatekeeper(client, FRAIL, clock, "w2")
    _break(keeper)
    clock.turn(4)
    probe = admitted(keeper.admit("gpt", 1))
    waiting = refused(other.admit("gpt", 1))
    assert waiting.reason is Reason.BREAKER
    assert waiting.wait < 1
    keeper.settle(probe, 1, failed=False)
    for _ in range(5):
        admitted(other.admit("gpt", 1))
    _end(keeper, failed=True)
    _end(keeper, failed=True)
    admitted(other.admit("gpt", 1))


def test_a_probe_that_fails_doubles_the_cooldown_up_to_a_minute(client: redis.Redis, clock: Clock) -> None:
    keeper = gatekeeper(client, FRAIL, clock)
    _break(keeper)
    for cooldown in (4, 8, 16, 32, 60, 60):
        clock.turn(cooldown - 0.01)
        refused(keeper.admit("gpt", 1))
        clock.turn(0.01)
        _end(keeper, failed=True)
    clock.turn(60)
    _end(keeper, failed=False)
    _break(keeper)
    assert refused(keeper.admit("gpt", 1)).wait <= 5


def test_a_probe_that_says_nothing_makes_room_for_the_next(client: redis.Redis, clock: Clock) -> None:
    keeper, other = gatekeeper(client, FRAIL, clock), gatekeeper(client, FRAIL, clock, "w2")
    _break(keeper)
    clock.turn(4)
    _end(keeper, failed=None)
    lost = admitted(keeper.admit("gpt", 1))
    clock.turn(59)
    refused(other.admit("gpt", 1))
    clock.turn(1)
    of_the_dead = admitted(other.admit("gpt", 1))
    keeper.forget(["w2"])
    now = admitted(keeper.admit("gpt", 1))
    other.settle(of_the_dead, 1, failed=True)
    keeper.settle(lost, 1, failed=True)
    keeper.settle(now, 1, failed=False)
    admitted(keeper.admit("gpt", 1))
    admitted(keeper.admit("gpt", 1))


def test_a_call_that_a_limit_refuses_is_no_probe(client: redis.Redis, clock: Clock) -> None:
    keeper = gatekeeper(client, config(model=Limits(rpm=3), breaker=Breaker(failures=3, cooldown=4)), clock)
    _break(keeper)
    clock.turn(4)
    assert refused(keeper.admit("gpt", 1)).reason is Reason.RPM
    keeper.settle(admitted(keeper.admit("mini", 1)), 1, failed=False)


def test_failures_from_before_it_opened_do_not_open_it_again(client: redis.Redis, clock: Clock) -> None:
    keeper = gatekeeper(client, FRAIL, clock)
    before = [admitted(keeper.admit("gpt", 1)) for _ in range(6)]
    _break(keeper)
    clock.turn(3)
    for admission in before[:3]:
        keeper.settle(admission, 1, failed=True)
    clock.turn(1)
    probe = admitted(keeper.admit("gpt", 1))
    for admission in before[3:]:
        keeper.settle(admission, 1, failed=True)
    assert refused(keeper.admit("gpt", 1)).wait < 1
    keeper.settle(probe, 1, failed=False)
    admitted(keeper.admit("gpt", 1))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(["ask", "succeed", "fail", "silence", "4 s", "60 s"]), max_size=40))
def test_however_calls_end_the_breaker_never_locks_a_provider_out(client: redis.Redis, steps: list[str]) -> None:
    client.flushdb()
    clock = Clock(client)
    keeper = gatekeeper(client, FRAIL, clock)
    out: list[Admission] = []
    failures = 0
    for step in steps:
        if step == "ask":
            answer = keeper.admit("gpt", 1)
            assert failures >= 3 or isinstance(answer, Admission), "the breaker is open without three failures in a row"
            out += [answer] if isinstance(answer, Admission) else []
        elif step.endswith(" s"):
            clock.turn(float(step.removesuffix(" s")))
        elif out:
            failed = {"succeed": False, "fail": True}.get(step)
            failures = failures if failed is None else (failures + 1) * failed
            keeper.settle(out.pop(0), 1, failed=failed)
    clock.turn(60)
    keeper.settle(admitted(keeper.admit("gpt", 1)), 1, failed=False)
    admitted(keeper.admit("gpt", 1))
    admitted(keeper.admit("gpt", 1))
