"""How they ask: httpx over aiohttp's transport, as Mirepoix does; tasks in threads over one loop of their process."""

from __future__ import annotations

import asyncio
import threading
from functools import cache

import httpx
from httpx_aiohttp import AiohttpTransport

from bench.contestants import Places
from bench.contestants.question import BODY, HEADERS, TIMEOUT, require_answer

_opening = threading.Lock()


def ask() -> str:
    """Ask once, in the calling thread; the answer's text."""
    with _opening:
        loop, client = _connected()
    return asyncio.run_coroutine_threadsafe(ask_with(client), loop).result()


async def ask_with(client: httpx.AsyncClient) -> str:
    """Ask once; the answer's text."""
    response = await client.post("/chat/completions", json=BODY)
    return require_answer(response.raise_for_status().json()["choices"][0]["message"]["content"])


async def open_client() -> httpx.AsyncClient:
    """A client with a connection pool of the running loop, as large as it needs to be: httpx' own ends at 100."""
    places = Places.from_environ()
    limits = httpx.Limits(max_connections=places.in_flight, max_keepalive_connections=places.in_flight)
    return httpx.AsyncClient(
        base_url=places.provider_url,
        transport=AiohttpTransport(limits=limits),
        headers=HEADERS,
        trust_env=False,
        timeout=TIMEOUT,
    )


@cache
def _connected() -> tuple[asyncio.AbstractEventLoop, httpx.AsyncClient]:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="asking", daemon=True).start()
    return loop, asyncio.run_coroutine_threadsafe(open_client(), loop).result()
