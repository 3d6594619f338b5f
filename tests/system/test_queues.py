"""Each provider has its own queue; messages are small; nothing said in a prompt is seen outside the ledger."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import pytest
import redis

from mirepoix import JobState
from tests.system.world import World, responds
from workers.stack import free_port

pytestmark = pytest.mark.system

MOST_BYTES = 8 * 1024


@dataclass
class Wire:
    """Everything that went over the broker's and the result backend's wire while it listened."""

    commands: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All of it, with the bodies of messages decoded."""
        return "\n".join(self.commands + [decoded for command in self.commands for decoded in _bodies(command)])

    def task_messages(self) -> dict[str, list[int]]:
        """The sizes in bytes of all task messages, by task."""
        sizes: dict[str, list[int]] = {}
        for command in self.commands:
            if command.startswith("LPUSH ") and (task := re.search(r'"task": "([\w.]+)"', _unescaped(command))):
                sizes.setdefault(task[1], []).append(len(command) - command.count('\\"'))
        return sizes


@contextmanager
def listening(client: redis.Redis) -> Iterator[Wire]:
    """Record what MONITOR shows."""
    wire, ready, ended = Wire(), threading.Event(), "end-of-listening"
    with client.monitor() as monitor:

        def listen() -> None:
            ready.set()
            for entry in monitor.listen():
                wire.commands.append(entry["command"])
                if ended in entry["command"]:
                    return

        thread = threading.Thread(target=listen)
        thread.start()
        ready.wait()
        try:
            yield wire
        finally:
            client.publish("mirepoix.test", ended)
            thread.join(10)


def _unescaped(command: str) -> str:
    return command.replace('\\"', '"')


def _bodies(command: str) -> list[str]:
    found = re.findall(r'"body": "([A-Za-z0-9+/=]+)"', _unescaped(command))
    return [base64.b64decode(body).decode("utf-8", "replace") for body in found]


@pytest.mark.quick
def test_a_provider_without_workers_holds_up_nobody_else(quiet_world: World) -> None:
    quiet_world.start_workers("orchestrate", "openai")
    with quiet_world.client() as client:
        waiting = [client.submit("only_anthropic", f"question {number}") for number in range(5)]
        for view in client.as_ended([client.submit("only_openai", f"question {number}") for number in range(5)], 30):
            assert view.state is JobState.SUCCEEDED
        assert {handle.state for handle in waiting} == {JobState.RUNNING}
        quiet_world.start_workers("anthropic")
        assert {view.state for view in client.as_ended(waiting, 30)} == {JobState.SUCCEEDED}


def workers_that(flower: str) -> set[str]:
    """The workers that this Flower has heard of; a busy one may not answer its first question in time."""
    return {name.partition("@")[0] for name in about_workers(flower).json()}


def about_workers(flower: str) -> httpx.Response:
    """What this Flower tells of them."""
    return httpx.get(f"{flower}/api/workers?refresh=1", timeout=20, trust_env=False)


@pytest.mark.quick
@pytest.mark.redis_broker
def test_flower_names_tasks_readably_and_no_prompt_is_seen_outside_the_ledger(world: World) -> None:
    port = free_port()
    flower = f"http://127.0.0.1:{port}"
    world.start("flower", "flower", "--port", str(port))
    world.until(lambda: responds(f"{flower}/healthcheck"), "Flower")
    marker = "Zanzibar7391"
    client = world.redis()
    with listening(client) as wire, world.client() as producer:
        handles = [
            producer.submit(name, f"What is {marker}?") for name in ("ask", "decide", "careful", "report", "nest")
        ]
        handles.append(producer.submit("fails", f"{marker} is not JSON"))
        list(producer.as_ended(handles, 60))
    tasks: dict[str, dict[str, str]] = {}

    def flower_knows() -> bool:
        tasks.update(httpx.get(f"{flower}/api/tasks?limit=1000", timeout=10, trust_env=False).json())
        return all(any(handle.id in str(task["args"]) for task in tasks.values()) for handle in handles)

    world.until(flower_knows, "Flower to have heard of every job")
    world.until(lambda: workers_that(flower) == {"orchestrate", "openai", "anthropic", "local"}, "all in Flower")
    told = about_workers(flower).text
    world.stop("flower")

    names = {task["name"] for task in tasks.values()}
    assert {"mirepoix.start", "mirepoix.call"} <= names
    of_decide = [task for task in tasks.values() if handles[1].id in str(task["args"])]
    assert f"({handles[1].id} members.0 luna)" in {task["args"] for task in of_decide}
    assert "FAILURE" in {task["state"] for task in tasks.values() if handles[5].id in str(task["args"])}
    assert marker not in json.dumps(tasks)
    assert marker not in told
    assert "mirepoix.call" in wire.text
    assert marker not in wire.text
    assert marker not in dump_of(client)
    assert all(marker not in world.log(name) for name in world.processes)


@pytest.mark.redis_broker
def test_messages_stay_small_however_long_or_wide_the_pipeline(world: World) -> None:
    with listening(world.redis()) as wire, world.client() as client:
        handles = [client.submit(name, "hello") for name in ("long_chain", "wide", "wide_inside", "nest")]
        assert {view.state for view in client.as_ended(handles, 60)} == {JobState.SUCCEEDED}
        assert str(handles[0].result(1)).split() == ["hello", *(str(number) for number in range(20))]
    sizes = wire.task_messages()
    assert len(sizes["mirepoix.call"]) >= 20 + 50 + 52
    for task, each in sorted(sizes.items()):
        print(f"{task}: {len(each)} messages, largest {max(each)} bytes")
    assert max(max(each) for each in sizes.values()) < MOST_BYTES


def dump_of(client: redis.Redis) -> str:
    """Every key of the Redis with its value."""
    parts: list[str] = []
    for key in client.scan_iter(count=1000):
        raw = client.dump(key)
        parts.append(f"{key!r} {raw!r}")
        if client.type(key) == b"list":
            parts += [body for item in client.lrange(key, 0, -1) for body in _bodies(str(item))]
    return "\n".join(parts)
