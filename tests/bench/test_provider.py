"""The benchmark's provider answers as OpenAI does, in the time it is told, and counts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from bench.provider import COMPLETION, Provider, serving

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with serving() as running:
        yield running


def ask(provider: Provider) -> float:
    began = time.monotonic()
    answer = httpx.post(f"{provider.url}/chat/completions", json={"messages": []}, trust_env=False)
    assert answer.json() == COMPLETION
    return time.monotonic() - began


def test_it_answers_and_counts_what_it_has_answered(provider: Provider) -> None:
    before = provider.answered()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(ask, [provider] * 20))
    assert provider.answered() == before + 20


def test_calls_on_one_connection_are_answered_in_turn(provider: Provider) -> None:
    with httpx.Client(trust_env=False) as client:
        for _ in range(3):
            assert client.post(f"{provider.url}/chat/completions", json={}).json() == COMPLETION


def test_it_takes_the_time_that_it_is_told(provider: Provider) -> None:
    provider.take(0.3)
    try:
        assert ask(provider) >= 0.3
    finally:
        provider.take(0)


def test_a_call_that_comes_while_it_hangs_waits_for_the_end(provider: Provider) -> None:
    provider.hang(0.5)
    assert ask(provider) >= 0.3


def test_what_is_not_there_is_not_found(provider: Provider) -> None:
    assert httpx.get(f"{provider.root}/nothing", trust_env=False).status_code == 404


def test_what_is_no_http_ends_the_connection_and_nothing_else(provider: Provider) -> None:
    import socket

    host, port = provider.root.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"\x00\x01 nonsense\r\n\r\n")
        assert connection.recv(100) == b""
    ask(provider)


def test_gathered_calls_are_answered_together() -> None:
    with serving() as provider, ThreadPoolExecutor(3) as threads:
        provider.gather(3)
        early = [threads.submit(ask, provider) for _ in range(2)]
        time.sleep(0.3)  # in which they would be answered, if they were not kept
        assert provider.answered() == 0
        assert not any(call.done() for call in early)
        threads.submit(ask, provider).result(10)
        for call in early:
            call.result(10)
        assert provider.most_out() == 3
        ask(provider)
        assert provider.answered() == 4, "the next is answered at once"
