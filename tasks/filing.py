"""File jobs that have ended, as their pipelines say: make them searchable, redact them, or forget their texts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pydantic import JsonValue

from db.disuse import drop_unused
from db.filing import Rewriting, file_words, job_hashes, mark_filed, rewrite_job, take_unfiled
from mirepoix.ledger.contents import load
from mirepoix.ledger.engine import Database
from mirepoix.ledger.tables import now
from mirepoix.privacy import Sensitive
from mirepoix.states import Store
from pipelines.privacy.bare import NOT_STORED, bare
from pipelines.privacy.redact import redact, redact_text

BATCH = 50
"""Jobs in a transaction: on SQLite nobody else writes meanwhile."""


def file_some(database: Database, kinds: Collection[Sensitive], forget_after: float) -> list[str]:
    """File the next few jobs of each kind; returns their ids. Any number of processes may do so at once.

    `kinds` of data are redacted where they are to be; what is not to be kept stays for `forget_after` seconds, so that
    who waits for an answer gets it.
    """
    filed = list[str]()
    for kept in Store:
        patience = timedelta(0) if kept is Store.FULL else timedelta(seconds=forget_after)
        filed += _file(database, kept, now() - patience, kinds)
    return filed


def _file(database: Database, kept: Store, before: datetime, kinds: Collection[Sensitive]) -> list[str]:
    with database.read() as connection:
        waiting = take_unfiled(connection, kept, before, BATCH)
    if not waiting:
        return []
    redacted = _redacted_values(database, waiting, kinds) if kept is Store.REDACTED else Redacted()
    with database.write() as connection:
        job_ids = take_unfiled(connection, kept, before, BATCH)
        if kept is Store.REDACTED:
            job_ids = [id_ for id_ in job_ids if job_hashes(connection, [id_]) <= redacted.seen]
        rewriting, unused = _rewriting(kept, redacted, kinds), set[str]()
        if rewriting is not None:
            for job_id in job_ids:
                unused |= rewrite_job(connection, job_id, rewriting)
        mark_filed(connection, job_ids)
        if kept is not Store.NONE and job_ids:
            file_words(connection, job_ids)
        drop_unused(connection, unused)
    return job_ids


@dataclass(slots=True)
class Redacted:
    """The texts that were `seen`, by their hashes, and of those that hold something what they are `changed` to."""

    seen: set[str] = field(default_factory=set)
    changed: dict[str, JsonValue] = field(default_factory=dict)


def _redacted_values(database: Database, job_ids: Collection[str], kinds: Collection[Sensitive]) -> Redacted:
    """Redact the texts of these jobs while nobody waits for the ledger: long hostile ones take seconds."""
    redacted = Redacted()
    for job_id in job_ids:
        with database.read() as connection:
            hashes = job_hashes(connection, [job_id])
            texts = load(connection, hashes - redacted.seen)
        redacted.seen |= hashes
        for hash_, text in texts.items():
            marked = redact(text, kinds)
            if marked != text:
                redacted.changed[hash_] = marked
    return redacted


def _rewriting(kept: Store, redacted: Redacted, kinds: Collection[Sensitive]) -> Rewriting | None:
    match kept:
        case Store.FULL:
            return None
        case Store.REDACTED:
            line = partial(redact_text, kinds=kinds)
            return Rewriting(redacted.changed, line, lambda features, names: _redacted(features, kinds))
        case Store.NONE:
            return Rewriting(None, lambda line: NOT_STORED, bare)


def _redacted(features: dict[str, Any], kinds: Collection[Sensitive]) -> dict[str, Any]:
    changed = redact(features, kinds)
    return changed if isinstance(changed, dict) else {}
