"""What a span of time cost, by model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, func, select

from mirepoix.ledger.tables import Attempt


@dataclass(frozen=True, slots=True)
class ModelSum:
    """The attempts begun in a span at one model: `failed` ended with an error, `unfinished` have no outcome yet."""

    provider: str
    model: str
    attempts: int
    failed: int
    unfinished: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal

    def __add__(self, other: ModelSum) -> ModelSum:
        """Both together; they are of the same model."""
        return ModelSum(
            self.provider,
            self.model,
            self.attempts + other.attempts,
            self.failed + other.failed,
            self.unfinished + other.unfinished,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost_usd + other.cost_usd,
        )


def sum_span(connection: Connection, since: datetime, until: datetime) -> tuple[ModelSum, ...]:
    """One row a model, for the attempts begun at or after `since` and before `until`."""
    query = (
        select(
            Attempt.provider,
            Attempt.model,
            func.count().label("attempts"),
            func.count(Attempt.error_kind).label("failed"),
            (func.count() - func.count(Attempt.finished_at)).label("unfinished"),
            func.coalesce(func.sum(Attempt.input_tokens), 0).label("input_tokens"),
            func.coalesce(func.sum(Attempt.output_tokens), 0).label("output_tokens"),
            func.sum(Attempt.cost).label("cost"),
        )
        .where(Attempt.started_at >= since, Attempt.started_at < until)
        .group_by(Attempt.provider, Attempt.model)
    )
    return tuple(
        ModelSum(
            provider=row.provider,
            model=row.model,
            attempts=row.attempts,
            failed=row.failed,
            unfinished=row.unfinished,
            input_tokens=int(row.input_tokens),
            output_tokens=int(row.output_tokens),
            cost_usd=row.cost or Decimal(0),
        )
        for row in connection.execute(query)
    )
