"""All Celery tasks of the house, on one screen.

Each takes ids only, and does nothing when the ledger says that there is nothing to do. `replace` hands what follows
this task in its chain or chord over to the canvas that takes its place.
"""

from __future__ import annotations

from typing import Any

from celery import Celery, Signature, Task

from mirepoix.queues import BATCH, CALL, EXPAND, GATE, GO_ON, REDUCE, ROUTE, START
from tasks.batches.look_after import COMES_AGAIN, look_after
from tasks.call import call_model
from tasks.care import SPARED, caring_for_jobs, caring_for_step
from tasks.cascade import judging
from tasks.choose import choose_next
from tasks.ensemble import count_votes
from tasks.house import House
from tasks.lead_on import decide
from tasks.spread import spread_items
from tasks.start import continue_chain, start_jobs


def register_tasks(app: Celery, house: House) -> None:
    """Give `app` the tasks; they work with what is in `house`."""
    deciding = {ROUTE: choose_next, REDUCE: count_votes, EXPAND: spread_items}

    @app.task(name=START, shared=False)
    def start(*job_ids: str) -> None:
        with caring_for_jobs(house, job_ids):
            start_jobs(house, job_ids)

    @app.task(name=CALL, bind=True, shared=False, throws=SPARED)
    def call(task: Task[Any, Any], job_id: str, path: str) -> None:
        with caring_for_step(house, job_id, path):
            _go_on_with(task, call_model(house, job_id, path))

    @app.task(name=BATCH, shared=False, throws=COMES_AGAIN)
    def batch(batch_id: str) -> None:
        look_after(house, batch_id)

    for name, think in deciding.items():

        @app.task(name=name, bind=True, shared=False, throws=SPARED)
        def decision(task: Task[Any, Any], job_id: str, path: str, think: Any = think) -> None:
            with caring_for_step(house, job_id, path):
                _go_on_with(task, decide(house, job_id, path, think))

    @app.task(name=GATE, bind=True, shared=False, throws=SPARED)
    def gate(task: Task[Any, Any], job_id: str, path: str) -> None:
        with caring_for_step(house, job_id, path):
            _go_on_with(task, decide(house, job_id, path, judging(house, job_id, path)))

    @app.task(name=GO_ON, bind=True, shared=False)
    def go_on(task: Task[Any, Any], job_id: str, path: str, index: int) -> None:
        with caring_for_step(house, job_id, path):
            _go_on_with(task, continue_chain(house, job_id, path, index))


def _go_on_with(task: Task[Any, Any], canvas: Signature[Any] | None) -> None:
    if canvas is not None:
        task.replace(canvas)
