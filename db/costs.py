"""What was spent, summed over attempts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, func, select

from mirepoix.errors import InputError
from mirepoix.ledger.tables import Attempt, Job
from mirepoix.states import ErrorKind
from mirepoix.strict import unknown
from mirepoix.tags import require_tag_name

UNKNOWN = (ErrorKind.UNKNOWN, ErrorKind.TIMEOUT, ErrorKind.ABORTED)
"""How an attempt may end that was billed perhaps, without our knowing what."""
TAG = "tag:"
UNTAGGED = "-"


class CostBy(StrEnum):
    """By what costs are summed."""

    MODEL = "model"
    PROVIDER = "provider"
    PIPELINE = "pipeline"
    TENANT = "tenant"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class ByTag:
    """By the values of one tag; jobs without it make the group `-`."""

    name: str


Grouping = CostBy | ByTag


@dataclass(frozen=True, slots=True)
class Scope:
    """What began at `since` or later and before `until`, of a pipeline, of a tenant; None: whatever it is."""

    since: datetime | None = None
    until: datetime | None = None
    pipeline: str | None = None
    tenant: str | None = None

    @property
    def of_jobs(self) -> list[ColumnElement[bool]]:
        """What must hold of the jobs."""
        asked = ((Job.pipeline, self.pipeline), (Job.tenant, self.tenant))
        return [column == name for column, name in asked if name is not None]


EVERYTHING = Scope()


@dataclass(frozen=True, slots=True)
class CostRow:
    """Sums of one group. Tokens are those of all attempts; `cached_tokens` and `cache_write_tokens` are input too.

    Of the `attempts`, `calls` were answered, `failed` were not (`failed_cost_usd`, a part of `cost_usd`, is what was
    billed all the same), of `unknown` ones nobody can say what they were billed, and `open` ones are in flight, or lost
    with their process. `cached_calls` asked nobody and are free; they are no attempts. `unpriced` attempts reported no
    cost.
    """

    group: str
    attempts: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
    unpriced: int
    calls: int = 0
    cached_calls: int = 0
    failed: int = 0
    failed_cost_usd: Decimal = Decimal(0)
    unknown: int = 0
    open: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0


def parse_grouping(text: str) -> Grouping:
    """`model`, `provider`, `pipeline`, `tenant`, `day` or `tag:NAME`; raises InputError."""
    if text.startswith(TAG):
        name = text.removeprefix(TAG)
        require_tag_name(name)
        return ByTag(name)
    if text not in set(CostBy):
        raise InputError(f"costs --by: {unknown(repr(text), text, [*(by.value for by in CostBy), 'tag:NAME'])}")
    return CostBy(text)


def sum_costs(connection: Connection, by: Grouping, scope: Scope = EVERYTHING) -> list[CostRow]:
    """One row a group, the dearest first, days in their order; days are UTC."""
    key = _key(by, connection)
    query: Select[Any] = select(key.label("group"), *_sums()).group_by(key)
    query = query.order_by(key) if by is CostBy.DAY else query.order_by(func.sum(Attempt.cost).desc(), key)
    if scope.of_jobs or by not in (CostBy.MODEL, CostBy.PROVIDER, CostBy.DAY):
        query = query.join(Job, Job.id == Attempt.job_id).where(*scope.of_jobs)
    if scope.since is not None:
        query = query.where(Attempt.started_at >= scope.since)
    if scope.until is not None:
        query = query.where(Attempt.started_at < scope.until)
    return [_row(row) for row in connection.execute(query)]


def daily_sums(connection: Connection, scope: Scope) -> dict[date, Decimal]:
    """What was spent on each day (UTC) on which there were attempts."""
    rows = sum_costs(connection, CostBy.DAY, scope)
    return {date.fromisoformat(row.group): row.cost_usd for row in rows}


def _sums() -> tuple[ColumnElement[Any], ...]:
    cached, open_ = Attempt.cached_from.is_not(None), Attempt.finished_at.is_(None)
    asked, failed = Attempt.cached_from.is_(None), Attempt.error_kind.is_not(None)
    unknown_ = Attempt.error_kind.in_(UNKNOWN) & Attempt.cost.is_(None)
    return (
        _count(asked).label("attempts"),
        _count(asked & ~open_ & ~failed).label("calls"),
        _count(cached).label("cached_calls"),
        _count(failed & ~unknown_).label("failed"),
        _count(unknown_).label("unknown"),
        _count(open_).label("open"),
        _count(Attempt.cost.is_(None)).label("unpriced"),
        *(
            func.coalesce(func.sum(column), 0).label(column.key)
            for column in (
                Attempt.input_tokens,
                Attempt.output_tokens,
                Attempt.cached_tokens,
                Attempt.cache_write_tokens,
            )
        ),
        func.sum(Attempt.cost).label("cost"),
        func.sum(case((failed, Attempt.cost)), type_=Attempt.cost.type).label("failed_cost"),
    )


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((condition, 1)))


def _row(row: Any) -> CostRow:
    return CostRow(
        group=UNTAGGED if row.group is None else str(row.group),
        attempts=row.attempts,
        input_tokens=int(row.input_tokens),
        output_tokens=int(row.output_tokens),
        cost_usd=row.cost or Decimal(0),
        unpriced=row.unpriced,
        calls=row.calls,
        cached_calls=row.cached_calls,
        failed=row.failed,
        failed_cost_usd=row.failed_cost or Decimal(0),
        unknown=row.unknown,
        open=row.open,
        cached_tokens=int(row.cached_tokens),
        cache_write_tokens=int(row.cache_write_tokens),
    )


def _key(by: Grouping, connection: Connection) -> ColumnElement[str]:
    match by:
        case ByTag():
            found: ColumnElement[str] = Job.tags[by.name].as_string()
            return found
        case CostBy.MODEL:
            return Attempt.model.expression
        case CostBy.PROVIDER:
            return Attempt.provider.expression
        case CostBy.PIPELINE:
            return Job.pipeline.expression
        case CostBy.TENANT:
            return Job.tenant.expression
        case CostBy.DAY if connection.dialect.name == "postgresql":
            return func.to_char(func.timezone("UTC", Attempt.started_at), "YYYY-MM-DD")
        case CostBy.DAY:
            return func.date(Attempt.started_at)
