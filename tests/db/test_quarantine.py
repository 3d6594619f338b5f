"""A message that no task can be made of is kept once, whatever its bytes are, and there is an end to keeping."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from db.quarantine import ROOM, SAMPLE, Kept, Poison, quarantine, read_quarantine
from mirepoix.ledger.engine import Database
from mirepoix.ledger.tables import Quarantined


def put(database: Database, *raws: bytes, queue: str = "orchestrate", reason: str = "is no JSON") -> None:
    """Quarantine some messages in one transaction."""
    with database.write() as connection:
        quarantine(connection, [Poison.of(queue, raw, reason) for raw in raws])


def kept(database: Database, limit: int = ROOM) -> tuple[Kept, ...]:
    """What is in quarantine, the latest first."""
    with database.read() as connection:
        return read_quarantine(connection, limit).newest


def sample_of(database: Database, raw: bytes) -> str:
    """What is kept of the message `raw`."""
    query = select(Quarantined.sample).where(Quarantined.fingerprint == hashlib.sha256(raw).hexdigest())
    with database.read() as connection:
        return connection.execute(query).scalar_one()


def test_a_message_is_kept_once_and_counted(database: Database) -> None:
    put(database, b"hello", queue="provider.one")
    put(database, b"hello", b"hello", b"other")
    found = {message.fingerprint: message for message in kept(database)}
    assert len(found) == 2
    message = found[hashlib.sha256(b"hello").hexdigest()]
    assert (message.queue, message.reason, message.size, message.count) == ("provider.one", "is no JSON", 5, 3)
    assert message.first_at < message.last_at


def test_text_is_kept_readable_and_anything_else_in_base64(database: Database) -> None:
    put(database, "Brühe\n".encode(), b"a\x00b", b"\xff\xfe", "é".encode() * SAMPLE, b"\xe2\x82", b"")
    assert sample_of(database, "Brühe\n".encode()) == "Brühe\n"
    assert sample_of(database, b"a\x00b") == "base64:YQBi"
    assert sample_of(database, b"\xff\xfe") == "base64://4="
    assert sample_of(database, "é".encode() * SAMPLE) == "é" * (SAMPLE // 2)
    assert sample_of(database, b"\xe2\x82") == "base64:4oI="
    assert sample_of(database, b"") == ""


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=5000), text=st.text(max_size=700))
def test_any_bytes_and_any_words_can_be_kept(database: Database, raw: bytes, text: str) -> None:
    with database.write() as connection:
        connection.execute(delete(Quarantined))
    put(database, raw, queue=text, reason=text)
    (message,) = kept(database)
    assert message.size == len(raw)
    assert len(sample_of(database, raw)) <= 2 * SAMPLE


def test_a_sample_may_end_in_the_middle_of_a_character(database: Database) -> None:
    raw = b"x" + "é".encode() * SAMPLE
    put(database, raw)
    assert sample_of(database, raw) == "x" + "é" * (SAMPLE // 2 - 1)


def test_those_not_seen_for_longest_go_first(database: Database) -> None:
    put(database, b"old")
    put(database, b"known")
    put(database, *(b"%d" % number for number in range(ROOM - 2)))
    put(database, b"known", b"new")
    with database.read() as connection:
        found = read_quarantine(connection, 1)
    assert (found.messages, len(found.newest)) == (ROOM, 1)
    fingerprints = {message.fingerprint for message in kept(database)}
    assert hashlib.sha256(b"old").hexdigest() not in fingerprints
    assert {hashlib.sha256(raw).hexdigest() for raw in (b"known", b"new")} <= fingerprints


def test_many_workers_put_away_at_the_same_time(database: Database) -> None:
    raws = [b"%d" % number for number in range(ROOM + 100)]

    def work(start: int) -> None:
        for at in range(0, len(raws), 100):
            put(database, *raws[(start + at) % len(raws) :][:100])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, (0, 250, 500, 750)))
    put(database, b"the next")  # on PostgreSQL, the last of those did not see what the others were just putting away
    assert len(kept(database, 2 * ROOM)) <= ROOM
