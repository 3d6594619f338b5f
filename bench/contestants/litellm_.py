"""LiteLLM's Router: one process and event loop, a client library with routing and fallbacks; nothing is durable."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager

from bench.contestants import Places, Run
from bench.contestants.question import BODY, KEY, MAX_TOKENS, TIMEOUT, require_answer

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else the import asks for a table of prices on the internet

from litellm import Router


@contextmanager
def producing() -> Iterator[Run]:
    """A router with one deployment of one model."""
    places = Places.from_environ()
    asked = {"model": f"openai/{BODY['model']}", "api_base": places.provider_url, "api_key": KEY}
    router = Router(model_list=[{"model_name": "mini", "litellm_params": asked}], timeout=TIMEOUT)
    with asyncio.Runner() as runner:
        yield lambda calls: runner.run(_run(router, places.in_flight, calls))


async def _run(router: Router, in_flight: int, calls: int) -> None:
    gate = asyncio.Semaphore(in_flight)

    async def ask() -> None:
        async with gate:
            answer = await router.acompletion(model="mini", messages=BODY["messages"], max_completion_tokens=MAX_TOKENS)
            require_answer(answer.choices[0].message.content)

    await asyncio.gather(*(ask() for _ in range(calls)))
