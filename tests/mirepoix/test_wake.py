"""How producers hear of the ends of jobs, from a real Valkey."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Timer

import pytest

from mirepoix.wake import Ear, announce, connect
from workers.embedded import EmbeddedBroker


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    started = EmbeddedBroker(tmp_path_factory.mktemp("wake"))
    started.start()
    yield started
    started.stop()


def test_an_ear_hears_of_its_jobs_only_and_of_others_the_next_time(broker: EmbeddedBroker) -> None:
    teller, ear = connect(broker.url), Ear(broker.url)
    ear.listen_for(["a", "b", "a"])
    for job in ("a", "c", "b"):
        announce(teller, job)
    assert ear.ended(5) | ear.ended(0.1) == {"a", "b"}
    ear.rest()
    announce(teller, "a")
    ear.listen_for(["c"])
    announce(teller, "a")
    announce(teller, "c")
    assert ear.ended(5) == {"c"}
    ear.close()


def test_what_is_told_wakes_at_once_and_silence_does_not(broker: EmbeddedBroker) -> None:
    teller, ear = connect(broker.url), Ear(broker.url)
    ear.listen_for(["a"])
    assert ear.ended(0.05) == set()
    Timer(0.1, announce, (teller, "a")).start()
    began = time.monotonic()
    assert ear.ended(10) == {"a"}
    assert time.monotonic() - began < 5
    ear.close()


def test_an_ear_without_a_redis_is_deaf_and_says_so_soon() -> None:
    ear = Ear("redis://127.0.0.1:1/0")
    ear.listen_for(["a"])
    assert ear.deaf
    assert ear.ended(0.05) == set()
    ear.rest()
    ear.close()
