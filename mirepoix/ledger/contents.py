"""Texts in and out, stored once under their hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Connection, Insert, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase

from mirepoix.ledger.tables import Content, now

_BODIES = select(Content.hash, Content.body).where(Content.hash.in_(bindparam("hashes", expanding=True)))


def encode(value: JsonValue) -> tuple[str, str]:
    """The hash (SHA-256, hex) of `value` and its JSON text, in which lone surrogates and NUL are escaped."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        body.encode()
    except UnicodeEncodeError:
        body = json.dumps(value, separators=(",", ":"))
    return hashlib.sha256(body.encode()).hexdigest(), body


def store(connection: Connection, values: Sequence[JsonValue]) -> list[str]:
    """Put `values` away, each once however often it comes; returns their hashes in order."""
    encoded = [encode(value) for value in values]
    keep(connection, dict(encoded))
    return [hash_ for hash_, _ in encoded]


def keep(connection: Connection, bodies: Mapping[str, str]) -> None:
    """Put away what `encode` made of values."""
    if bodies:
        moment = now()
        _insert_and_hold(
            connection, [{"hash": hash_, "body": bodies[hash_], "created_at": moment} for hash_ in sorted(bodies)]
        )


def load(connection: Connection, hashes: Iterable[str | None]) -> dict[str, JsonValue]:
    """The values under `hashes`, as far as they are kept; None among them is passed over."""
    wanted = sorted({hash_ for hash_ in hashes if hash_ is not None})
    found: dict[str, JsonValue] = {}
    for start in range(0, len(wanted), 500):
        rows = connection.execute(_BODIES, {"hashes": wanted[start : start + 500]})
        found.update({hash_: json.loads(body) for hash_, body in rows})
    return found


def _insert_and_hold(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Insert those of `rows` that are missing, and let nobody delete the others before this transaction has ended.

    On SQLite no other writes meanwhile. Elsewhere one that is there may be on the point of going, since whoever deletes
    it cannot see yet that we refer to it (`db.disuse`): the lock waits for that, and what has gone is inserted anew.
    """
    missing = rows
    while missing:
        inserted = connection.execute(insert_missing(connection, Content), missing)
        if connection.dialect.name == "sqlite" or inserted.rowcount == len(missing):
            return
        there = select(Content.hash).where(Content.hash.in_([row["hash"] for row in rows])).order_by(Content.hash)
        held = set(connection.scalars(there.with_for_update(read=True, key_share=True)))
        missing = [row for row in rows if row["hash"] not in held]


def insert_missing(connection: Connection, table: type[DeclarativeBase]) -> Insert:
    """An INSERT that passes over rows whose unique key is there already."""
    return _insert_missing_on(connection.dialect.name, table)


@cache
def _insert_missing_on(dialect: str, table: type[DeclarativeBase]) -> Insert:
    if dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()
