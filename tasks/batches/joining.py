"""Whether a call waits for a batch."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection

from db.batches import was_batched
from db.locks import LockedJob
from db.steps import Claim
from mirepoix.config import Batching, Provider
from mirepoix.ledger.accept import BATCH_WINDOW
from mirepoix.ledger.tables import now


def batching_of(connection: Connection, claim: Claim, provider: Provider) -> Batching | None:
    """How the call is batched, or None: it is asked alone.

    A batch needs a day, and takes each step once: what it gives back unanswered must not wait for another.
    """
    batching = provider.batching
    if batching is None or not claim.job.batch or not _has_time(claim.job, batching):
        return None
    return None if was_batched(connection, claim) else batching


def _has_time(job: LockedJob, batching: Batching) -> bool:
    window = timedelta(seconds=BATCH_WINDOW + batching.wait)
    return job.deadline_at is None or job.deadline_at - now() > window
