"""DBOS: a durable workflow with one recorded step that asks; started and awaited in the process that runs it.

So there is no queue and nobody looks for work, which is what costs DBOS least.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from dbos import DBOS, DBOSConfig
from sqlalchemy.engine import make_url

from bench.contestants import Places, Run
from bench.contestants.asking import ask_with, open_client

_clients: list[httpx.AsyncClient] = []


@DBOS.step()
async def ask() -> str:
    """Ask once; the answer is recorded."""
    return await ask_with(_clients[0])


@DBOS.workflow()
async def one_call() -> str:
    """A job of one step."""
    answer: str = await ask()
    return answer


@contextmanager
def producing() -> Iterator[Run]:
    """DBOS, launched."""
    places = Places.from_environ()
    DBOS(config=DBOSConfig(name="bench", system_database_url=_system_database(places), log_level="ERROR"))
    DBOS.launch()
    with asyncio.Runner() as runner:
        _clients.append(runner.run(open_client()))
        try:
            yield lambda calls: runner.run(_run(places.in_flight, calls))
        finally:
            runner.run(_clients.pop().aclose())
            DBOS.destroy()


async def _run(in_flight: int, calls: int) -> None:
    gate = asyncio.Semaphore(in_flight)

    async def one() -> None:
        async with gate:
            handle = await DBOS.start_workflow_async(one_call)
            await handle.get_result()

    await asyncio.gather(*(one() for _ in range(calls)))


def _system_database(places: Places) -> str:
    """Its URL. A SQLite file keeps the journal that it was once given: the one that Mirepoix' ledger has."""
    url = make_url(places.database_url)
    if url.get_backend_name() != "sqlite":
        return url.set(drivername="postgresql").render_as_string(hide_password=False)
    with sqlite3.connect(str(url.database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    return places.database_url
