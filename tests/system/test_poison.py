"""No message stops a worker: what is malformed is quarantined and logged once, and the good ones are answered."""

from __future__ import annotations

import hashlib
import json
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from celery import Celery
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kombu import Connection
from sqlalchemy import select, text

from db.quarantine import ROOM, Kept, read_quarantine
from mirepoix import JobState
from mirepoix.ledger.tables import Worker
from mirepoix.queues import both_lanes
from tests.system.poison import BROADCASTS, EMBED, HARMLESS, MESSAGES, Parts, entries
from tests.system.world import World, open_world

pytestmark = pytest.mark.system

WORKERS = ("orchestrate", "openai", "anthropic", "local")
EVERYTHING = 100_000
LOGGED = "a message is quarantined"


@dataclass
class Post:
    """Sends messages behind the house's back, to all queues that its workers have."""

    world: World

    @property
    def on_redis(self) -> bool:
        """Whether the broker is a Redis."""
        return self.world.settings.broker_url.startswith("redis")

    @property
    def queues(self) -> list[str]:
        """The names of the queues that are consumed."""
        with self.world.database.read() as connection:
            return sorted({name for names in connection.scalars(select(Worker.queues)) for name in names})

    def put(self, queue: str, entry: bytes) -> None:
        """Put an entry on the Redis list of `queue`."""
        self.world.redis().lpush(queue, entry)

    def send(self, queue: str, parts: Parts) -> None:
        """Send a message as its parts stand, over whatever broker there is."""
        if self.on_redis:
            self.put(queue, parts.entry(queue))
            return
        with Connection(self.world.settings.broker_url) as connection:
            channel: Any = connection.default_channel
            properties = {key: value for key, value in parts.properties.items() if key != "priority"}
            message = channel.prepare_message(
                parts.body, None, parts.content_type, parts.content_encoding, parts.headers, properties
            )
            channel.basic_publish(message, exchange="", routing_key=queue)

    def waiting(self) -> int:
        """How many messages wait."""
        client: Any = self.world.redis()
        if self.on_redis:
            return sum(int(client.llen(name)) for name in self.queues)
        with Connection(self.world.settings.broker_url) as connection:
            channel: Any = connection.default_channel
            return sum(int(channel.queue_declare(name, passive=True).message_count) for name in self.queues)

    def wait(self) -> None:
        """Wait until no message waits."""
        self.world.until(lambda: self.waiting() == 0, "all messages to be taken")


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """All workers, for poison only."""
    with open_world(tmp_path_factory.mktemp("poison")) as opened:
        opened.start_workers(*WORKERS)
        all_succeed(opened, "ask", "decide", "report")  # so all queues are there: RabbitMQ drops what has none
        yield opened


@pytest.fixture
def post(busy: World) -> Post:
    """What sends to the queues of `busy`."""
    return Post(busy)


def kept(world: World) -> dict[str, Kept]:
    """What is in quarantine, by fingerprint."""
    with world.database.read() as connection:
        return {message.fingerprint: message for message in read_quarantine(connection, EVERYTHING).newest}


def fingerprint(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def pids(world: World) -> dict[str, int]:
    """The processes that are alive."""
    return {name: process.pid for name, process in world.processes.items() if process.poll() is None}


def all_succeed(world: World, *pipelines: str) -> None:
    """Good jobs are answered."""
    with world.client() as client:
        handles = [client.submit(name, "hello") for name in pipelines]
        assert {view.state for view in client.as_ended(handles, 60)} == {JobState.SUCCEEDED}


@pytest.mark.redis_broker
def test_poison_on_every_queue_stops_no_worker_and_is_kept_once(busy: World, post: Post) -> None:
    before = pids(busy)
    sent = {queue: list(entries(queue).values()) for queue in post.queues}
    with busy.client() as client:
        handles = []
        for number in range(max(len(raws) for raws in sent.values())):
            for queue, raws in sent.items():
                post.put(queue, raws[number])
            if number % 20 == 0:
                handles += [client.submit(name, f"question {number}") for name in ("ask", "decide", "report")]
        assert {view.state for view in client.as_ended(handles, 60)} == {JobState.SUCCEEDED}
    post.wait()
    times: dict[str, int] = {}
    for raw in (raw for raws in sent.values() for raw in raws):
        times[fingerprint(raw)] = times.get(fingerprint(raw), 0) + 1
    busy.until(lambda: sum(each.count for each in kept(busy).values()) >= sum(times.values()), "the quarantine to fill")
    assert {key: message.count for key, message in kept(busy).items()} == times
    assert pids(busy) == before
    for name in WORKERS:
        lines = [line for line in busy.log(name).splitlines() if LOGGED in line]
        assert len(lines) == len(set(map(_logged_fingerprint, lines))) >= len(entries("x")), name
        assert "Traceback" not in busy.log(name)
        assert "os.system" not in busy.log(name), "the log holds no content"

    for name in WORKERS:
        assert busy.stop(name) == 0
    busy.start_workers(*WORKERS)
    all_succeed(busy, "ask", "decide", "report")
    post.wait()
    assert {key: message.count for key, message in kept(busy).items()} == times, "none came back"


def _logged_fingerprint(line: str) -> str:
    return line.partition("fingerprint=")[2].split()[0]


def test_malformed_messages_are_survived_on_every_broker(busy: World, post: Post) -> None:
    before, known = pids(busy), set(kept(busy))
    sent = 0
    for queue in post.queues:
        for parts in MESSAGES.values():
            again = Parts(
                parts.headers, parts.body + b" ", parts.properties, parts.content_type, parts.content_encoding
            )
            try:
                post.send(queue, again)
            except (struct.error, OverflowError):  # more than AMQP can say
                continue
            sent += 1
    all_succeed(busy, "ask", "decide", "report")
    post.wait()
    busy.until(lambda: sum(m.count for key, m in kept(busy).items() if key not in known) == sent, "the quarantine")
    assert pids(busy) == before


def test_messages_that_lead_nowhere_end_harmlessly(busy: World, post: Post) -> None:
    before, known = pids(busy), set(kept(busy))
    for queue in post.queues:
        for parts in HARMLESS.values():
            post.send(queue, parts)
    post.wait()
    all_succeed(busy, "ask", "decide")
    assert pids(busy) == before
    assert set(kept(busy)) == known
    said = busy.log("local").count("a message names what the ledger does not have")
    assert said == len(HARMLESS) * len(both_lanes("local"))


@pytest.mark.redis_broker
def test_malformed_control_messages_stop_no_worker(busy: World, post: Post) -> None:
    before = pids(busy)
    with Connection(busy.settings.broker_url) as connection:
        database = connection.virtual_host or 0
    for raw in BROADCASTS.values():
        heard = busy.redis().publish(f"/{database}.celery.pidbox", raw)
        assert heard == len(WORKERS)
    app = Celery(broker=busy.settings.broker_url, set_as_current=False)
    answers = app.control.ping(timeout=5, limit=len(WORKERS)) or []
    assert len(answers) == len(WORKERS)
    busy.until(lambda: {fingerprint(raw) for raw in BROADCASTS.values()} <= set(kept(busy)), "the quarantine")
    all_succeed(busy, "ask")
    assert pids(busy) == before


def test_poison_does_not_wait_for_the_ledger(busy: World, post: Post) -> None:
    known = set(kept(busy))
    with busy.database.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("LOCK TABLE quarantine IN ACCESS EXCLUSIVE MODE"))
        for number in range(50):
            post.send("orchestrate", Parts(body=b"poison %d" % number))
        busy.until(lambda: post.waiting() == 0, "the queue to be drained while the ledger is busy", 5)
    busy.until(lambda: len(set(kept(busy)) - known) == 50, "the quarantine")


def test_without_a_quarantine_poison_is_logged_and_dropped(busy: World, post: Post) -> None:
    with busy.database.write() as connection:
        connection.execute(text("ALTER TABLE quarantine RENAME TO elsewhere"))
    try:
        post.send("orchestrate", Parts(body=b"poison without a quarantine"))
        all_succeed(busy, "only_openai")
        post.wait()
        busy.until(lambda: "it is dropped" in busy.log("orchestrate"), "the log to say so")
    finally:
        with busy.database.write() as connection:
            connection.execute(text("ALTER TABLE elsewhere RENAME TO quarantine"))


def test_doctor_lists_the_quarantine(busy: World, post: Post) -> None:
    secret = "Zanzibar7391"
    known = set(kept(busy))
    for number in range(7):
        post.send("orchestrate", Parts(body=b"%s %d" % (secret.encode(), number)))
    busy.until(lambda: len(set(kept(busy)) - known) >= 7, "the quarantine")
    (report,) = busy.lines("doctor")
    assert report["problems"] == [], "an old poison is no problem of today"
    assert report["quarantine"]["messages"] == min(len(known) + 7, ROOM)
    newest = report["quarantine"]["newest"]
    assert len(newest) == 5
    assert {message["queue"] for message in newest} == {"orchestrate"}
    assert {"reason", "size", "count", "first_at", "last_at", "fingerprint"} <= newest[0].keys()
    shown = busy.run("doctor").stdout
    assert "is no JSON" in shown
    assert f"and {min(len(known) + 7, ROOM) - 5} more" in shown
    assert secret not in shown + json.dumps(report) + busy.log("orchestrate")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


def test_whatever_is_changed_in_a_message_its_worker_lives(busy: World, post: Post) -> None:
    before = pids(busy)

    @settings(max_examples=400, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(seed=st.integers(0, 2**32), value=JSON, queue=st.sampled_from(post.queues))
    def change_something(seed: int, value: Any, queue: str) -> None:
        dice = random.Random(seed)
        post.put(queue, _changed(dice, value, queue))

    change_something()
    post.wait()
    all_succeed(busy, "ask", "decide", "report")
    post.wait()
    assert pids(busy) == before


def _changed(dice: random.Random, value: Any, queue: str) -> bytes:
    """A good message with a byte, a header, a property or a part of its body exchanged, or dropped."""
    body: list[Any] = [["01K00000000000000000000000", "$"], {}, dict(EMBED)]
    parts = Parts()
    holder: Any = dice.choice([parts.headers, body, body[0], body[2]])
    _exchange(dice, holder, value)
    envelope = Parts(parts.headers, json.dumps(body).encode(), parts.properties).envelope(queue)
    properties = envelope["properties"]
    if dice.random() < 0.5:
        _exchange(dice, dice.choice([envelope, properties, properties["delivery_info"]]), value)
    raw = json.dumps(envelope).encode()
    if dice.random() < 0.2:
        at = dice.randrange(len(raw))
        raw = raw[:at] + dice.randbytes(dice.randrange(3)) + raw[at + 1 :]
    return raw


def _exchange(dice: random.Random, holder: Any, value: Any) -> None:
    key = dice.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    if dice.random() < 0.2:
        del holder[key]
    else:
        holder[key] = value
