"""File jobs that have ended, as their pipelines say: make them searchable, redact them, or forget their texts."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from functools import partial
from typing import Any

from db.disuse import drop_unused
from db.filing import Rewriting, file_words, mark_filed, rewrite_job, take_unfiled
from mirepoix.ledger.engine import Database
from mirepoix.ledger.tables import now
from mirepoix.privacy import Sensitive
from mirepoix.states import Store
from pipelines.privacy.bare import NOT_STORED, bare
from pipelines.privacy.redact import redact, redact_text

BATCH = 50
"""Jobs in a transaction: on SQLite nobody else writes meanwhile."""


def file_some(database: Database, kinds: Collection[Sensitive], forget_after: float) -> int:
    """File the next few jobs of each kind; returns how many. Any number of processes may do so at once.

    `kinds` of data are redacted where they are to be; what is not to be kept stays for `forget_after` seconds, so that
    who waits for an answer gets it.
    """
    filed = 0
    for kept in Store:
        patience = timedelta(0) if kept is Store.FULL else timedelta(seconds=forget_after)
        filed += _file(database, kept, patience, _rewriting(kept, kinds))
    return filed


def _file(database: Database, kept: Store, patience: timedelta, rewriting: Rewriting | None) -> int:
    before = now() - patience
    with database.read() as connection:
        if not take_unfiled(connection, kept, before, 1):
            return 0
    with database.write() as connection:
        job_ids = take_unfiled(connection, kept, before, BATCH)
        unused: set[str] = set()
        if rewriting is not None:
            for job_id in job_ids:
                unused |= rewrite_job(connection, job_id, rewriting)
        mark_filed(connection, job_ids)
        if kept is not Store.NONE and job_ids:
            file_words(connection, job_ids)
        drop_unused(connection, unused)
    return len(job_ids)


def _rewriting(kept: Store, kinds: Collection[Sensitive]) -> Rewriting | None:
    match kept:
        case Store.FULL:
            return None
        case Store.REDACTED:
            value = partial(redact, kinds=kinds)
            return Rewriting(
                value, partial(redact_text, kinds=kinds), lambda features, names: _redacted(features, kinds)
            )
        case Store.NONE:
            return Rewriting(None, lambda line: NOT_STORED, bare)


def _redacted(features: dict[str, Any], kinds: Collection[Sensitive]) -> dict[str, Any]:
    changed = redact(features, kinds)
    return changed if isinstance(changed, dict) else {}
