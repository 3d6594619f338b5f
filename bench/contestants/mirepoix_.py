"""Mirepoix, its full path: submit, route, call, record, finish, result. Its house is started by who measures.

`BENCH_DOOR` says how jobs go in: `many` by `submit_many`, `single` one after the other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from bench.contestants import Run
from bench.contestants.question import MAX_TOKENS, PROMPT, TIMEOUT
from bench.provider import MODEL
from mirepoix import Branch, Call, Client, Route
from mirepoix.views import JobView

PIPELINE = Route(
    by="complexity",
    to=(
        Branch(below=0.99, then=Call(model="mini", max_tokens=MAX_TOKENS)),
        Branch(then=Call(model="mini", max_tokens=MAX_TOKENS)),
    ),
)


def config(provider_url: str, in_flight: int) -> str:
    """The `mirepoix.yaml` of a house with one model of one provider."""
    return f"""
providers: {{bench: {{api: openai, base_url: "{provider_url}", key_env: BENCH_KEY, concurrency: {in_flight}}}}}
models: {{mini: {{provider: bench, name: {MODEL}, price: {{input: 0.75, output: 4.5}}}}}}
"""


@contextmanager
def producing() -> Iterator[Run]:
    """A client; a run submits and waits until every job has ended well."""
    single = os.environ["BENCH_DOOR"] == "single"
    with Client() as client:

        def run(calls: int) -> None:
            questions = [PROMPT] * calls
            if single:
                handles = [client.submit(PIPELINE, question) for question in questions]
            else:
                handles = client.submit_many(PIPELINE, questions)
            for view in client.as_ended(handles, timeout=TIMEOUT):
                require_success(view)

        yield run


def require_success(view: JobView) -> None:
    """Raise RuntimeError unless the job has succeeded."""
    if view.error:
        raise RuntimeError(f"job {view.job} of Mirepoix: {view.error}")
