"""The benchmark's provider keeps calls until all are out, when it is told to."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from bench.contestants.question import BODY
from bench.provider import ANSWER, Provider, serving


def test_gathered_calls_are_answered_together() -> None:
    with serving() as provider, ThreadPoolExecutor(3) as threads:
        provider.gather(3)
        early = [threads.submit(_ask, provider) for _ in range(2)]
        time.sleep(0.3)
        assert provider.answered() == 0
        assert not any(call.done() for call in early)
        threads.submit(_ask, provider).result(10)
        assert [call.result(10) for call in early] == [ANSWER, ANSWER]
        assert provider.most_out() == 3
        assert _ask(provider) == ANSWER, "the next is answered at once"


def _ask(provider: Provider) -> str:
    answer = httpx.post(f"{provider.url}/chat/completions", json=BODY, trust_env=False, timeout=20)
    return str(answer.json()["choices"][0]["message"]["content"])
