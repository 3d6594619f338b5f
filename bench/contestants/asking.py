"""How tasks that run in threads ask: as Mirepoix' own do, over one loop and one connection pool of the process."""

from __future__ import annotations

import asyncio
import threading
from functools import cache

import httpx
from httpx_aiohttp import AiohttpTransport

from bench.contestants import Places
from bench.contestants.question import BODY, HEADERS, TIMEOUT, answer_in


def ask() -> str:
    """Ask once, in the calling thread; the answer's text."""
    return asyncio.run_coroutine_threadsafe(ask_with(_client()), _loop()).result()


async def open_client() -> httpx.AsyncClient:
    """A client with a connection pool of the running loop."""
    return httpx.AsyncClient(
        base_url=Places.from_environ().provider_url,
        transport=AiohttpTransport(),
        headers=HEADERS,
        trust_env=False,
        timeout=TIMEOUT,
    )


async def ask_with(client: httpx.AsyncClient) -> str:
    """Ask once; the answer's text."""
    response = await client.post("/chat/completions", json=BODY)
    return answer_in(response.raise_for_status().json())


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="asking", daemon=True).start()
    return loop


@cache
def _client() -> httpx.AsyncClient:
    return asyncio.run_coroutine_threadsafe(open_client(), _loop()).result()
