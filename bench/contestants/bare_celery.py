"""Celery alone: a task that asks and returns the answer, threads, results in Redis; no ledger and no trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from celery import Celery, group

from bench.contestants import Places, Run
from bench.contestants.asking import ask as ask_provider
from bench.contestants.question import TIMEOUT

URL = Places.from_environ().broker_url

app = Celery("bare", broker=URL, backend=URL, set_as_current=False)
app.conf.update(
    task_serializer="json",
    accept_content=["json"],
    task_default_queue="bare",
    task_acks_late=True,
    result_serializer="json",
    worker_prefetch_multiplier=1,
)


@app.task(name="bare.ask")
def ask() -> str:
    """Ask once."""
    return ask_provider()


@app.task(name="bare.nothing")
def nothing(*_: object) -> None:
    """Do nothing: what a canvas costs beside its tasks."""


@contextmanager
def producing() -> Iterator[Run]:
    """A group of tasks, and their results."""

    def run(calls: int) -> None:
        group(ask.s() for _ in range(calls)).apply_async().get(timeout=TIMEOUT)

    yield run
