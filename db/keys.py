"""Keys to the HTTP front door.

A key reads `mirepoix_ID_SECRET`: its id, by which it is found, and 256 random bits, of which the SHA-256 is kept. A
slow hash would protect secrets that can be guessed; these cannot.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hmac import compare_digest

from sqlalchemy import Connection, Row, insert, select, update
from ulid import ULID

from mirepoix.errors import InputError, NotFound
from mirepoix.ledger.tables import ApiKey, now
from mirepoix.rollouts import SHADOW

PREFIX = "mirepoix_"
LONGEST_TENANT = 64
_NOBODY = "0" * 64


class Scope(StrEnum):
    """What a key is good for."""

    SUBMIT = "submit"
    """Submit and cancel jobs of its tenant."""
    READ = "read"
    """Read jobs of its tenant."""
    ADMIN = "admin"
    """Both, for every tenant."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is listed; `revoked_at` None: it opens."""

    id: str
    tenant: str
    scopes: frozenset[Scope]
    rpm: int | None
    created_at: datetime
    revoked_at: datetime | None


def create_key(
    connection: Connection, tenant: str, scopes: Collection[Scope], rpm: int | None = None
) -> tuple[Key, str]:
    """A new key and its text, which nobody can tell again. Raises InputError."""
    if not tenant.strip() or len(tenant) > LONGEST_TENANT or not tenant.isprintable():
        raise InputError(f"a tenant's name has 1 to {LONGEST_TENANT} printable characters.")
    if tenant == SHADOW:
        raise InputError(f"tenant {SHADOW!r} is the house's own, which pays for shadows; choose another name.")
    id_, secret = str(ULID()), secrets.token_urlsafe(32)
    key = Key(id_, tenant, frozenset(scopes), rpm, now(), None)
    connection.execute(
        insert(ApiKey).values(
            id=id_, hash=_hash(secret), tenant=tenant, scopes=sorted(scopes), rpm=rpm, created_at=key.created_at
        )
    )
    return key, f"{PREFIX}{id_}_{secret}"


def find_key(connection: Connection, text: str) -> Key | None:
    """The key that `text` is; None when it opens nothing."""
    id_, _, secret = text.removeprefix(PREFIX).partition("_")
    row = connection.execute(select(*ApiKey.__table__.c).where(ApiKey.id == id_[:26])).one_or_none()
    kept = _NOBODY if row is None else row.hash
    if not compare_digest(_hash(secret), kept) or row is None or row.revoked_at is not None:
        return None
    return _key(row) if text == f"{PREFIX}{row.id}_{secret}" else None


def list_keys(connection: Connection, tenant: str | None = None) -> list[Key]:
    """All keys, revoked ones too, the oldest first."""
    query = select(*ApiKey.__table__.c).order_by(ApiKey.id)
    return [_key(row) for row in connection.execute(query if tenant is None else query.where(ApiKey.tenant == tenant))]


def revoke_key(connection: Connection, key_id: str) -> bool:
    """Close for this key, from now on; False when it was revoked before. Raises NotFound."""
    revoked = connection.execute(
        update(ApiKey).where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None)).values(revoked_at=now())
    )
    if revoked.rowcount:
        return True
    if connection.execute(select(ApiKey.id).where(ApiKey.id == key_id)).one_or_none() is None:
        raise NotFound(f"no key {key_id!r}. `mirepoix keys list` lists them.")
    return False


def any_key(connection: Connection) -> bool:
    """Whether there has ever been a key: once there was, the door stays shut to those without."""
    return connection.execute(select(ApiKey.id).limit(1)).first() is not None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _key(row: Row[tuple[object, ...]]) -> Key:
    scopes = frozenset(Scope(scope) for scope in row.scopes)
    return Key(row.id, row.tenant, scopes, row.rpm, row.created_at, row.revoked_at)
