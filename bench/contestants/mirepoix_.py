"""Mirepoix, its full path: submit, route, call, record, finish, result. Its house is started by who measures.

`BENCH_DOOR` says how jobs go in: see `DOORS`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum

from bench.contestants import Run
from bench.contestants.question import MAX_TOKENS, PROMPT, TIMEOUT
from bench.provider import MODEL
from mirepoix import Client
from mirepoix.client import Handle
from mirepoix.views import JobView


class Door(StrEnum):
    """How jobs go in, and to which pipeline."""

    MANY = "submit_many"
    """All at once, to a pipeline that routes by complexity to one of two calls."""
    SINGLE = "submit"
    """One after the other, to the same."""
    UNROUTED = "submit_many, unrouted"
    """All at once, to a pipeline that is a single call."""


def config(provider_url: str, in_flight: int, *, timeout: float = TIMEOUT) -> str:
    """The `mirepoix.yaml` of a house with one model of one provider, whose calls may take `timeout` seconds."""
    return f"""
providers:
  bench: {{api: openai, base_url: "{provider_url}", key_env: BENCH_KEY, concurrency: {in_flight}, timeout: {timeout:g}}}
models: {{mini: {{provider: bench, name: {MODEL}, price: {{input: 0.75, output: 4.5}}}}}}
pipelines:
  unrouted: {{call: {{model: mini, max_tokens: {MAX_TOKENS}}}}}
  routed:
    route:
      by: complexity
      to:
        - {{below: 0.99, call: {{model: mini, max_tokens: {MAX_TOKENS}}}}}
        - {{call: {{model: mini, max_tokens: {MAX_TOKENS}}}}}
"""


@contextmanager
def producing() -> Iterator[Run]:
    """A client; a run submits and waits until every job has ended well."""
    door = Door(os.environ["BENCH_DOOR"])
    with Client() as client:

        def run(calls: int) -> None:
            for view in client.as_ended(_submit(client, door, calls), timeout=TIMEOUT):
                require_success(view)

        yield run


def _submit(client: Client, door: Door, calls: int) -> Sequence[Handle]:
    match door:
        case Door.MANY:
            return client.submit_many("routed", [PROMPT] * calls)
        case Door.SINGLE:
            return [client.submit("routed", PROMPT) for _ in range(calls)]
        case Door.UNROUTED:
            return client.submit_many("unrouted", [PROMPT] * calls)


def require_success(view: JobView) -> None:
    """Raise RuntimeError unless the job has succeeded."""
    if view.error:
        raise RuntimeError(f"job {view.job} of Mirepoix: {view.error}")
