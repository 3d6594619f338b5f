"""The registry of what was trained: routers and answer policies by name, each version under the hash of its bytes.

The version of a name that was promoted last decides. Workers look which one that is (`promoted`), so that a newly
promoted one is found without a restart.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update
from sqlalchemy.orm import aliased

from mirepoix.errors import InputError, NotFound
from mirepoix.ledger.contents import insert_missing
from mirepoix.ledger.tables import Decision, TrainedFile, TrainedVersion, now
from mirepoix.printable import printable
from mirepoix.states import TrainedKind

LARGEST_FILE = 20_000_000
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
FEWEST_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Version:
    """A trained version as it is listed; `current`: it is the one that decides. `size` is in bytes."""

    name: str
    hash: str
    kind: TrainedKind
    size: int
    report: dict[str, Any]
    trained_at: datetime
    promoted_at: datetime | None
    reason: str | None
    current: bool


def store_version(connection: Connection, name: str, kind: TrainedKind, body: bytes, report: dict[str, Any]) -> Version:
    """Keep a trained file under `name`; the same bytes again are the same version, with the newer report.

    Raises InputError for a name that is none or stands for the other kind, and for a file above 20 MB.
    """
    _require_name(connection, name, kind)
    if len(body) > LARGEST_FILE:
        raise InputError(f"{kind} {name!r}: the file has {len(body):,} bytes; the limit is {LARGEST_FILE:,}.")
    hash_ = hashlib.sha256(body).hexdigest()
    connection.execute(insert_missing(connection, TrainedFile), [{"hash": hash_, "body": body}])
    row = {"report": report, "trained_at": now()}
    known = connection.execute(
        update(TrainedVersion).where(TrainedVersion.name == name, TrainedVersion.hash == hash_).values(row)
    )
    if not known.rowcount:
        connection.execute(insert(TrainedVersion).values(name=name, hash=hash_, kind=kind, **row))
    return find_version(connection, name, hash_)


def promote_version(connection: Connection, name: str, hash_: str, reason: str | None = None) -> Version:
    """Let this version decide from now on, whatever did before; `reason` says why, if it is not for being better.

    Raises NotFound.
    """
    version = find_version(connection, name, hash_)
    before = connection.execute(
        select(func.max(TrainedVersion.promoted_at)).where(TrainedVersion.name == name)
    ).scalar_one()
    # Whose clock is behind promotes none the less: the last promotion is always the newest.
    moment = now() if before is None else max(now(), before + timedelta(microseconds=1))
    connection.execute(
        update(TrainedVersion)
        .where(TrainedVersion.name == name, TrainedVersion.hash == version.hash)
        .values(promoted_at=moment, reason=None if reason is None else printable(reason))
    )
    return find_version(connection, name, version.hash)


def promoted(connection: Connection, name: str, kind: TrainedKind) -> str:
    """The hash of the version that decides under `name`; raises NotFound, which says what to do."""
    query = (
        select(TrainedVersion.hash)
        .where(TrainedVersion.name == name, TrainedVersion.kind == kind, TrainedVersion.promoted_at.is_not(None))
        .order_by(TrainedVersion.promoted_at.desc())
        .limit(1)
    )
    found = connection.execute(query).scalar_one_or_none()
    if found is None:
        raise NotFound(f"no {kind} {name!r} is promoted. `mirepoix train {name}`, then `mirepoix promote {name}`.")
    return found


def load_file(connection: Connection, hash_: str) -> bytes:
    """The bytes under that hash; raises NotFound."""
    body = connection.execute(select(TrainedFile.body).where(TrainedFile.hash == hash_)).scalar_one_or_none()
    if body is None:
        raise NotFound(f"no trained file has the hash {hash_[:12]!r} any more. `mirepoix routers` lists them.")
    return body


def list_versions(connection: Connection, name: str | None = None) -> list[Version]:
    """All versions by name, the newest first."""
    query = _versions().order_by(TrainedVersion.name, TrainedVersion.trained_at.desc(), TrainedVersion.hash)
    rows = connection.execute(query if name is None else query.where(TrainedVersion.name == name)).all()
    return [_version(row) for row in rows]


def find_version(connection: Connection, name: str, hash_: str | None = None) -> Version:
    """The version whose hash begins so, or the one trained last; raises NotFound, or InputError for several."""
    versions = list_versions(connection, name)
    if not versions:
        raise NotFound(f"nothing was trained under the name {name!r}. `mirepoix routers` lists what was.")
    if hash_ is None:
        return versions[0]
    found = [version for version in versions if version.hash.startswith(hash_)]
    if not found or len(hash_) < FEWEST_DIGITS:
        raise NotFound(f"no version of {name!r} has a hash that begins with {hash_!r}. `mirepoix routers` lists them.")
    if len(found) > 1:
        raise InputError(f"{len(found)} versions of {name!r} have a hash that begins with {hash_!r}; give more of it.")
    return found[0]


def prune_versions(connection: Connection, before: datetime) -> int:
    """Drop versions that were trained, and stopped deciding, before that moment, and their bytes; returns how many.

    What decides now stays, and what a decision in the ledger was made with: it can be replayed.
    """
    later = aliased(TrainedVersion)
    superseded = (
        select(later.hash)
        .where(later.name == TrainedVersion.name, later.promoted_at > TrainedVersion.promoted_at)
        .where(later.promoted_at < before)
    )
    named = select(Decision.id).where(Decision.trained == TrainedVersion.hash)
    dropped = connection.execute(
        delete(TrainedVersion)
        .where(TrainedVersion.trained_at < before, ~named.exists())
        .where(TrainedVersion.promoted_at.is_(None) | superseded.exists())
        .execution_options(synchronize_session=False)
    )
    kept = select(TrainedVersion.hash).where(TrainedVersion.hash == TrainedFile.hash)
    connection.execute(delete(TrainedFile).where(~kept.exists()))
    return dropped.rowcount


def _require_name(connection: Connection, name: str, kind: TrainedKind) -> None:
    if not NAME.fullmatch(name):
        raise InputError(f"{name!r} is no name for a {kind}: 1 to 64 letters, digits, dots, dashes and underscores.")
    other = select(TrainedVersion.kind).where(TrainedVersion.name == name, TrainedVersion.kind != kind).limit(1)
    if (known := connection.execute(other).scalar_one_or_none()) is not None:
        raise InputError(f"{name!r} is the name of a {known}; choose another one for this {kind}.")


def _versions() -> Select[Any]:
    other = aliased(TrainedVersion)
    last = select(func.max(other.promoted_at)).where(other.name == TrainedVersion.name).scalar_subquery()
    size = select(func.length(TrainedFile.body)).where(TrainedFile.hash == TrainedVersion.hash).scalar_subquery()
    current = func.coalesce(TrainedVersion.promoted_at == last, False)
    return select(*TrainedVersion.__table__.c, size.label("size"), current.label("current"))


def _version(row: Row[Any]) -> Version:
    return Version(
        name=row.name,
        hash=row.hash,
        kind=TrainedKind(row.kind),
        size=row.size,
        report=row.report,
        trained_at=row.trained_at,
        promoted_at=row.promoted_at,
        reason=row.reason,
        current=bool(row.current),
    )
