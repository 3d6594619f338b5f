"""The registry of trained files: versions by name and hash, the one promoted last decides, and what is needed stays."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from db.decisions import record_decision
from db.prune import prune
from db.routers import (
    LARGEST_FILE,
    Version,
    find_version,
    list_versions,
    load_file,
    promote_version,
    promoted,
    prune_versions,
    store_version,
)
from mirepoix import Branch, Call, Route
from mirepoix.errors import InputError, NotFound
from mirepoix.ledger.engine import Database
from mirepoix.ledger.tables import TrainedFile, TrainedVersion, now
from mirepoix.states import TrainedKind
from mirepoix.views import Decision
from tasks.trained import Trained
from tests.db.ledger import Run, begin

ROUTER = TrainedKind.ROUTER
MONTH = timedelta(days=30)
ROUTE = Route(by="first", to=(Branch(then=Call(model="a")),))


def put(database: Database, body: bytes, name: str = "r", kind: TrainedKind = ROUTER) -> Version:
    with database.write() as connection:
        return store_version(connection, name, kind, body, {"questions": len(body)})


def promote(database: Database, hash_: str, name: str = "r") -> None:
    with database.write() as connection:
        promote_version(connection, name, hash_)


def age(database: Database, *hashes: str) -> None:
    """Let what was done with these versions have happened two months before."""
    with database.write() as connection:
        for row in connection.execute(select(*TrainedVersion.__table__.c)).all():
            if row.hash in hashes:
                then = {"trained_at": row.trained_at - 2 * MONTH}
                if row.promoted_at is not None:
                    then["promoted_at"] = row.promoted_at - 2 * MONTH
                connection.execute(update(TrainedVersion).where(TrainedVersion.hash == row.hash).values(then))


def kept(database: Database) -> set[str]:
    with database.read() as connection:
        versions = {version.hash for version in list_versions(connection)}
        assert set(connection.scalars(select(TrainedFile.hash))) == versions, "bytes without a version, or the reverse"
    return versions


def prune_old(database: Database) -> int:
    with database.write() as connection:
        return prune_versions(connection, now() - MONTH)


def decide_with(database: Database, hash_: str) -> Run:
    run = begin(database, ROUTE)
    claim = run.must_claim("$")
    decision = Decision(choice="a", reason="learned", confidence=1, features={}, trained=hash_)
    with database.write() as connection:
        record_decision(connection, claim, decision)
    run.spawn_under(claim, [0])
    return run


def test_bytes_are_stored_once_under_their_hash(database: Database) -> None:
    body = bytes(range(256)) * 4
    version = put(database, body)
    assert version == find(database, "r")
    assert (version.hash, version.size) == (hashlib.sha256(body).hexdigest(), 1024)
    assert put(database, body, "other").hash == put(database, body).hash
    with database.read() as connection:
        assert load_file(connection, version.hash) == body
        assert [v.name for v in list_versions(connection)] == ["other", "r"]
        assert connection.execute(select(func.count()).select_from(TrainedFile)).scalar_one() == 1


def find(database: Database, name: str, hash_: str | None = None) -> Version:
    with database.read() as connection:
        return find_version(connection, name, hash_)


def test_the_version_that_was_promoted_last_decides_also_an_older_one(database: Database) -> None:
    old, new = put(database, b"old"), put(database, b"new")
    with database.read() as connection, pytest.raises(NotFound, match="no router 'r' is promoted"):
        promoted(connection, "r", ROUTER)
    for version in (old, new, old):
        promote(database, version.hash[:8])
        with database.read() as connection:
            assert promoted(connection, "r", ROUTER) == version.hash
            assert [v.hash for v in list_versions(connection) if v.current] == [version.hash]


def test_whose_clock_is_behind_promotes_none_the_less(database: Database) -> None:
    first, second = put(database, b"first"), put(database, b"second")
    promote(database, first.hash)
    with database.write() as connection:
        connection.execute(update(TrainedVersion).values(promoted_at=now() + timedelta(hours=1)))
        connection.execute(update(TrainedVersion).where(TrainedVersion.hash == second.hash).values(promoted_at=None))
    promote(database, second.hash)
    with database.read() as connection:
        assert promoted(connection, "r", ROUTER) == second.hash


def test_versions_are_found_by_the_beginning_of_their_hash(database: Database) -> None:
    put(database, b"a")
    newest = put(database, b"b")
    assert find(database, "r") == newest
    assert find(database, "r", newest.hash[:6]) == newest
    for hash_ in ("", newest.hash[:3], "f" * 64, "%"):
        with pytest.raises(NotFound, match="no version of 'r'"):
            find(database, "r", hash_)
    with pytest.raises(NotFound, match="nothing was trained"):
        find(database, "s")


def test_names_kinds_and_sizes_are_bounded(database: Database) -> None:
    for name in ("", "-x", "a b", "x" * 65, "../x", "a\n"):
        with pytest.raises(InputError, match="no name for a router"):
            put(database, b"x", name)
    put(database, b"x", "mine")
    with pytest.raises(InputError, match="'mine' is the name of a router"):
        put(database, b"x", "mine", TrainedKind.POLICY)
    with pytest.raises(InputError, match="the limit is"):
        put(database, bytes(LARGEST_FILE + 1))


def test_pruning_keeps_what_decides_what_is_young_and_what_a_kept_decision_names(database: Database) -> None:
    bodies = (b"unused", b"named", b"superseded", b"current", b"young")
    unused, named, superseded, current, young = (put(database, body).hash for body in bodies)
    for hash_ in (named, superseded, current):
        promote(database, hash_)
    run = decide_with(database, named)
    age(database, unused, named, superseded, current)
    assert prune_old(database) == 2
    assert kept(database) == {named, current, young}
    run.answer(next(row.path for row in run.rows() if row.kind == "call"))
    done = list(prune(database, now()))
    assert (sum(pruned.jobs for pruned in done), sum(pruned.versions for pruned in done)) == (1, 2)
    assert kept(database) == {current}, "no decision names the other any more, and none is young now"


def test_what_was_superseded_a_moment_ago_stays_for_who_has_not_seen_it_yet(database: Database) -> None:
    before, after = put(database, b"before").hash, put(database, b"after").hash
    promote(database, before)
    age(database, before)
    promote(database, after)
    assert prune_old(database) == 0
    assert kept(database) == {before, after}


def test_a_process_finds_what_is_newly_promoted_and_loads_each_file_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.trained.PROMOTED_FRESH", 0.0)
    loaded: list[bytes] = []

    def load(body: bytes) -> str:
        loaded.append(body)
        return body.decode()

    old, new = put(database, b"old"), put(database, b"new")
    trained = Trained()
    with database.read() as connection, pytest.raises(NotFound):
        trained.promoted(connection, "r", ROUTER, load)
    for version, expected in ((old, "old"), (old, "old"), (new, "new"), (old, "old")):
        promote(database, version.hash)
        with database.read() as connection:
            assert trained.promoted(connection, "r", ROUTER, load) == expected
    assert loaded == [b"old", b"new"]
    with database.read() as connection, pytest.raises(NotFound, match="no policy 'r'"):
        trained.promoted(connection, "r", TrainedKind.POLICY, load)
