"""asyncio and httpx over aiohttp's transport, which is what Mirepoix asks with: the limit of what is possible."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from bench.contestants import Places, Run
from bench.contestants.asking import ask_with, open_client


@contextmanager
def producing() -> Iterator[Run]:
    """One event loop and one connection pool for all runs."""
    in_flight = Places.from_environ().in_flight
    with asyncio.Runner() as runner:
        client = runner.run(open_client())
        try:
            yield lambda calls: runner.run(_ask(client, in_flight, calls))
        finally:
            runner.run(client.aclose())


async def _ask(client: httpx.AsyncClient, in_flight: int, calls: int) -> None:
    gate = asyncio.Semaphore(in_flight)

    async def ask() -> None:
        async with gate:
            await ask_with(client)

    await asyncio.gather(*(ask() for _ in range(calls)))
