"""What was spent, summed over attempts."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, func, select

from mirepoix.ledger.tables import Attempt, Job


class CostBy(StrEnum):
    """By what costs are summed."""

    MODEL = "model"
    PROVIDER = "provider"
    PIPELINE = "pipeline"
    TENANT = "tenant"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class CostRow:
    """Sums of one group: attempts, tokens, USD, and how many attempts reported no cost."""

    group: str
    attempts: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
    unpriced: int


def sum_costs(connection: Connection, by: CostBy) -> list[CostRow]:
    """One row a group, the dearest first; days are UTC."""
    key = _key(by)
    query = (
        select(
            key.label("group"),
            func.count().label("attempts"),
            func.coalesce(func.sum(Attempt.input_tokens), 0).label("input_tokens"),
            func.coalesce(func.sum(Attempt.output_tokens), 0).label("output_tokens"),
            func.sum(Attempt.cost).label("cost"),
            (func.count() - func.count(Attempt.cost)).label("unpriced"),
        )
        .join(Job, Job.id == Attempt.job_id)
        .group_by(key)
        .order_by(func.sum(Attempt.cost).desc(), key)
    )
    return [
        CostRow(
            group=str(row.group),
            attempts=row.attempts,
            input_tokens=int(row.input_tokens),
            output_tokens=int(row.output_tokens),
            cost_usd=row.cost or Decimal(0),
            unpriced=row.unpriced,
        )
        for row in connection.execute(query)
    ]


def _key(by: CostBy) -> ColumnElement[str]:
    match by:
        case CostBy.MODEL:
            return Attempt.model.expression
        case CostBy.PROVIDER:
            return Attempt.provider.expression
        case CostBy.PIPELINE:
            return Job.pipeline.expression
        case CostBy.TENANT:
            return Job.tenant.expression
        case CostBy.DAY:
            return func.date(Attempt.started_at)
