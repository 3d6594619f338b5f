"""A house in this process: its tasks are taken from a real broker one by one, in the order that a test wants."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from celery.app.trace import build_tracer
from celery.exceptions import Reject

from db.migrate import migrate
from db.overdue import take_steps_of
from mirepoix import Client, Settings
from mirepoix.config_file import parse_config
from mirepoix.queues import both_lanes
from mirepoix.spec import Pipeline
from mirepoix.views import TraceView
from tasks.follow import publish_steps
from tasks.house import House
from tasks.sending import SendingApp
from tests.databases import fresh_database
from workers.app import create_app

CONFIG = """
providers: {one: {api: python, external: false, concurrency: 2}, two: {api: python, external: false, concurrency: 2}}
models:
  a: {provider: one, callable: "tests.tasks.pump:say"}
  b: {provider: two, callable: "tests.tasks.pump:say"}
  broken: {provider: one, callable: "tests.tasks.pump:break_down"}
"""
QUEUES = [name for provider in (None, "one", "two") for name in both_lanes(provider)]


def say(prompt: str) -> str:
    """A model that answers a prompt like `say yes` with what comes after its first word, and all others with `ok`."""
    return prompt.removeprefix("say ") if prompt.startswith("say ") else "ok"


def break_down(prompt: str) -> str:
    """A model that never answers."""
    raise ValueError("broken")


@dataclass(frozen=True, slots=True)
class Message:
    """A task as it came: its queue, its name, its arguments, and its headers with what follows it."""

    queue: str
    task: str
    args: list[Any]
    request: Mapping[str, Any]


@dataclass
class Pump:
    """Takes messages from the queues and does them; `done` are those so far."""

    app: SendingApp
    house: House
    client: Client
    done: list[Message] = field(default_factory=list)

    def submit(self, pipeline: Pipeline) -> str:
        """A job of `pipeline`; nothing is done yet."""
        return self.client.submit(pipeline, "input").id

    def run(self, pipeline: Pipeline) -> TraceView:
        """Do a job to its end, each message once; raises AssertionError where they lead to none."""
        job_id = self.submit(pipeline)
        while (message := self.take()) is not None:
            self.do(message)
        trace = self.trace(job_id)
        assert trace.state.terminal, f"no message leads on: {[(m.task, m.args) for m in self.done]}"
        return trace

    def trace(self, job_id: str) -> TraceView:
        """What became of the job."""
        return self.client.get(job_id).trace()

    def take(self, number: int = 0) -> Message | None:
        """One of the messages that wait, by its `number` in a circle of them all; None where none waits."""
        waiting: list[tuple[str, Any]] = [
            (name, raw) for name in QUEUES for raw in self.house.redis.lrange(name, 0, -1)
        ]
        if not waiting:
            return None
        queue, raw = waiting[number % len(waiting)]
        self.house.redis.lrem(queue, 1, raw)
        entry = json.loads(raw)
        args, _, embed = json.loads(base64.b64decode(entry["body"]))
        headers = entry["headers"]
        request = {**headers, **embed, "delivery_info": {}, "is_eager": False}
        return Message(queue, headers["task"], args, request)

    def do(self, message: Message) -> None:
        """What a worker does with it; one that it would put back goes nowhere."""
        self.done.append(message)
        task = self.app.tasks[message.task]
        request = json.loads(json.dumps(message.request))  # a task may change its request
        try:
            build_tracer(message.task, task, app=self.app)(request["id"], message.args, {}, request)
        except Reject:
            return

    def send_what_is_ready(self, job_id: str) -> None:
        """As the reconciler does after a while."""
        with self.house.database.write() as connection:
            again = take_steps_of(connection, job_id)
        publish_steps(self.house, [sent.step for sent in again])

    @property
    def tasks(self) -> list[str]:
        """What was done, as `call $`."""
        return [f"{message.task.removeprefix('mirepoix.')} {message.args[-1]}" for message in self.done]


@contextmanager
def open_pump(home: Path, broker_url: str, config: str = CONFIG) -> Iterator[Pump]:
    """A house with the models `a`, `b` and `broken`, and a fresh ledger."""
    (home / "mirepoix.yaml").write_text(config)
    with fresh_database(home) as url:
        environ = {"MIREPOIX_HOME": str(home), "MIREPOIX_BROKER_URL": broker_url, "MIREPOIX_DATABASE_URL": url}
        settings = Settings.from_env({**environ, "MIREPOIX_CONFIG": str(home / "mirepoix.yaml")})
        app, house = create_app(settings, parse_config(config))
        migrate(house.database)
        house.redis.flushdb()
        with Client(settings) as client:
            yield Pump(app, house, client)
        house.database.close()
        app.close()
