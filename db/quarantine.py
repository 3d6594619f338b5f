"""Keep what no task can be made of: each message once, under the SHA-256 of its bytes, however often it came."""

from __future__ import annotations

import base64
import codecs
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from mirepoix.ledger.tables import Quarantined, now

ROOM = 1000
"""How many messages are kept; those not seen for longest go first."""
SAMPLE = 2048
"""How many of a message's bytes are kept."""
QUEUE_LENGTH, REASON_LENGTH = 200, 500


@dataclass(frozen=True, slots=True)
class Poison:
    """A message that no task can be made of: enough of it to find out who sent it, in characters any database takes."""

    queue: str
    reason: str
    fingerprint: str
    size: int
    sample: str

    @classmethod
    def of(cls, queue: str, raw: bytes, reason: str) -> Self:
        """Describe the message `raw` (its bytes as they came) that was found in `queue`."""
        return cls(
            queue=_clean(queue)[:QUEUE_LENGTH],
            reason=_clean(reason)[:REASON_LENGTH],
            fingerprint=hashlib.sha256(raw).hexdigest(),
            size=len(raw),
            sample=_printable(raw),
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """A message in quarantine, without its content."""

    queue: str
    reason: str
    fingerprint: str
    size: int
    count: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Quarantine:
    """How many different messages are in quarantine, and the newest of them."""

    messages: int
    newest: tuple[Kept, ...]


def quarantine(connection: Connection, found: Sequence[Poison]) -> None:
    """Put messages away; one that is there already is counted again. Beyond `ROOM`, those not seen for longest go.

    Where several processes put messages away at the same moment, the next of them makes up for what they did not see.
    """
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    again = insert(Quarantined).on_conflict_do_update(
        index_elements=[Quarantined.fingerprint],
        set_={"count": Quarantined.count + 1, "last_at": now()},
    )
    in_order = sorted(found, key=lambda poison: poison.fingerprint)  # one order: two workers must not deadlock
    connection.execute(again, [_row(poison) for poison in in_order])
    # Rows that another worker is just counting again are not among the oldest, so they may be passed over.
    overdue = select(Quarantined.fingerprint).order_by(Quarantined.last_at.desc(), Quarantined.fingerprint).offset(ROOM)
    doomed = overdue.with_for_update(skip_locked=True)
    connection.execute(delete(Quarantined).where(Quarantined.fingerprint.in_(doomed)))


def read_quarantine(connection: Connection, limit: int) -> Quarantine:
    """What is in quarantine: the count, and the `limit` messages that were seen last, the latest first."""
    count = connection.execute(select(func.count()).select_from(Quarantined)).scalar_one()
    query = select(
        Quarantined.queue,
        Quarantined.reason,
        Quarantined.fingerprint,
        Quarantined.size,
        Quarantined.count,
        Quarantined.first_at,
        Quarantined.last_at,
    ).order_by(Quarantined.last_at.desc(), Quarantined.fingerprint)
    return Quarantine(count, tuple(Kept(*row) for row in connection.execute(query.limit(limit))))


def _row(poison: Poison) -> dict[str, object]:
    moment = now()
    return {
        "fingerprint": poison.fingerprint,
        "queue": poison.queue,
        "reason": poison.reason,
        "size": poison.size,
        "sample": poison.sample,
        "count": 1,
        "first_at": moment,
        "last_at": moment,
    }


def _printable(raw: bytes) -> str:
    """The beginning of `raw`: text as it is, anything else in base64. PostgreSQL takes no NUL, for one."""
    sample = raw[:SAMPLE]
    try:
        text, _ = codecs.utf_8_decode(sample, "strict", len(raw) <= SAMPLE)  # a cut may go through a character
    except UnicodeDecodeError:
        text = "\0"
    return text if _is_text(text) else "base64:" + base64.b64encode(sample).decode()


def _is_text(text: str) -> bool:
    return all(character.isprintable() or character in "\n\r\t" for character in text)


def _clean(text: str) -> str:
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
