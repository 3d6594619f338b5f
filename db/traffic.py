"""What providers have made of their newest requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, func, select

from db.latencies import LOOKED_AT
from mirepoix.ledger.tables import Attempt, now

RECENT = timedelta(minutes=5)
"""What failed earlier says nothing about now."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """The mean seconds and tokens (asked and answered) of a provider's newest answers; None: not known.

    `ended` requests of the last five minutes, of which `failed` have no answer.
    """

    latency: float | None = None
    tokens: float | None = None
    ended: int = 0
    failed: int = 0


def recent_traffic(connection: Connection) -> dict[str, Traffic]:
    """Of each provider among the newest attempts of all: a bounded look along the primary key.

    Means, not medians: Little's law is about means.
    """
    newest = connection.execute(select(func.max(Attempt.id))).scalar_one() or 0
    answered, recent = Attempt.error_kind.is_(None), Attempt.finished_at > now() - RECENT
    query = (
        select(
            Attempt.provider,
            func.avg(Attempt.latency).filter(answered),
            func.avg(Attempt.input_tokens + Attempt.output_tokens).filter(answered),
            func.count().filter(recent),
            func.count().filter(recent, ~answered),
        )
        .where(Attempt.id > newest - LOOKED_AT, Attempt.finished_at.is_not(None), Attempt.cached_from.is_(None))
        .group_by(Attempt.provider)
    )
    return {
        provider: Traffic(latency, None if tokens is None else float(tokens), ended, failed)
        for provider, latency, tokens, ended, failed in connection.execute(query)
    }
