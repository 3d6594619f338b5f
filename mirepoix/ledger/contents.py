"""Texts in and out, stored once under their hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence

from pydantic import JsonValue
from sqlalchemy import Connection, Insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase

from mirepoix.ledger.tables import Content, now


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
    fresh = {hash_: {"hash": hash_, "body": body, "created_at": now()} for hash_, body in encoded}
    if fresh:
        rows = [fresh[hash_] for hash_ in sorted(fresh)]
        connection.execute(insert_missing(connection, Content), rows)
    return [hash_ for hash_, _ in encoded]


def load(connection: Connection, hashes: Iterable[str | None]) -> dict[str, JsonValue]:
    """The values under `hashes`; None among them is passed over."""
    wanted = sorted({hash_ for hash_ in hashes if hash_ is not None})
    found: dict[str, JsonValue] = {}
    for start in range(0, len(wanted), 500):
        rows = connection.execute(
            select(Content.hash, Content.body).where(Content.hash.in_(wanted[start : start + 500]))
        )
        found.update({hash_: json.loads(body) for hash_, body in rows})
    return found


def insert_missing(connection: Connection, table: type[DeclarativeBase]) -> Insert:
    """An INSERT that passes over rows whose unique key is there already."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()
