"""procrastinate: jobs in PostgreSQL, with a table of steps and one of attempts that promise what Mirepoix' ledger does.

A step is claimed before the call, and the attempt is written before it too, so that a crash leaves a trace of what may
have been paid for; answer, tokens and cost are recorded in one transaction afterwards. A step that has ended is not
asked again. That is the least that a durable pipeline of model calls writes; Mirepoix also keeps routes, texts and
prices.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import httpx
import procrastinate
from psycopg_pool import AsyncConnectionPool
from sqlalchemy.engine import make_url

from bench.contestants import Places, Run
from bench.contestants.asking import ask_with, open_client
from bench.contestants.question import PROMPT, TIMEOUT

URL = make_url(Places.from_environ().database_url).set(drivername="postgresql").render_as_string(hide_password=False)
LOOKS_EVERY = 0.02
POOL = 20
"""Connections, as many as a worker process of Mirepoix keeps."""

TABLES = """
CREATE TABLE bench_steps (
    job bigint PRIMARY KEY, input text NOT NULL, state text NOT NULL, epoch int NOT NULL, answer text,
    claimed_at timestamptz NOT NULL, ended_at timestamptz
);
CREATE TABLE bench_attempts (
    id bigserial PRIMARY KEY, job bigint NOT NULL REFERENCES bench_steps, epoch int NOT NULL,
    sent_at timestamptz NOT NULL, ended_at timestamptz, input_tokens int, output_tokens int, cost numeric
);
CREATE INDEX ON bench_attempts (job);
"""
CLAIM = """
INSERT INTO bench_steps (job, input, state, epoch, claimed_at) VALUES (%s, %s, 'running', 1, now())
ON CONFLICT (job) DO UPDATE SET epoch = bench_steps.epoch + 1, claimed_at = now() WHERE bench_steps.state = 'running'
RETURNING epoch
"""
INTEND = "INSERT INTO bench_attempts (job, epoch, sent_at) VALUES (%s, %s, now()) RETURNING id"
SETTLE = """
UPDATE bench_attempts SET ended_at = now(), input_tokens = 14, output_tokens = 1, cost = 0.000015 WHERE id = %s
"""
RECORD = """
UPDATE bench_steps SET state = 'succeeded', answer = %s, ended_at = now()
WHERE job = %s AND epoch = %s AND state = 'running'
"""
ENDED = "SELECT count(*) FROM bench_steps WHERE job = ANY(%s) AND state = 'succeeded'"

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=URL, min_size=1, max_size=POOL))


@app.task(name="bench.ask", pass_context=True)
async def ask(context: procrastinate.JobContext, prompt: str) -> None:
    """Claim the step, ask, record."""
    assert context.job.id is not None
    await _work(context.job.id, prompt)


async def _work(job: int, prompt: str) -> None:
    pool, client = await _connected()
    async with pool.connection() as connection:
        claimed = await (await connection.execute(CLAIM, (job, prompt))).fetchone()
        if claimed is None:  # it has ended
            return
        (epoch,) = claimed
        intended = await (await connection.execute(INTEND, (job, epoch))).fetchone()
        assert intended is not None
    answer = await ask_with(client)
    async with pool.connection() as connection:
        await connection.execute(SETTLE, intended)
        await connection.execute(RECORD, (answer, job, epoch))


@cache
def _opening() -> asyncio.Task[tuple[AsyncConnectionPool, httpx.AsyncClient]]:
    async def open_both() -> tuple[AsyncConnectionPool, httpx.AsyncClient]:
        pool = AsyncConnectionPool(URL, min_size=1, max_size=POOL, open=False)
        await pool.open()
        return pool, await open_client()

    return asyncio.get_running_loop().create_task(open_both())


async def _connected() -> tuple[AsyncConnectionPool, httpx.AsyncClient]:
    return await _opening()


@contextmanager
def producing() -> Iterator[Run]:
    """The tables, and a pool to defer jobs and to look for their answers."""
    with asyncio.Runner() as runner:
        runner.run(_open())
        try:
            yield lambda calls: runner.run(_run(calls))
        finally:
            runner.run(app.close_async())


async def _open() -> None:
    await app.open_async()
    await app.schema_manager.apply_schema_async()
    async with AsyncConnectionPool(URL, min_size=1, open=False) as pool, pool.connection() as connection:
        await connection.execute(TABLES)


async def _run(calls: int) -> None:
    jobs = await ask.batch_defer_async(*({"prompt": PROMPT} for _ in range(calls)))
    deadline = time.monotonic() + TIMEOUT
    async with AsyncConnectionPool(URL, min_size=1, max_size=1, open=False) as pool, pool.connection() as connection:
        await connection.set_autocommit(True)
        while True:
            row = await (await connection.execute(ENDED, (jobs,))).fetchone()
            if row is not None and row[0] == calls:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{calls} jobs of procrastinate did not end within {TIMEOUT:g} s")
            await asyncio.sleep(LOOKS_EVERY)
