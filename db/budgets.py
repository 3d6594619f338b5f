"""Money bounds: what a job, or a tenant in a day or a month, may spend. Reserved before a call, settled after it.

Who reserves holds the job's lock, or that of the tenant's day, so no two calls spend the same cent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import Enum, auto

from sqlalchemy import Connection, case, func, select, update

from db.alerts import STANDING, Standing, as_rows, tell_alerts
from db.locks import LockedJob
from mirepoix.caps import Bound, Period
from mirepoix.errors import BudgetExceeded
from mirepoix.ledger.contents import insert_missing
from mirepoix.ledger.tables import Attempt, TenantPeriod, now
from mirepoix.states import ErrorKind
from mirepoix.views import usd_text

NOTHING = Decimal(0)
UNBILLED = (
    ErrorKind.UNANSWERED,
    ErrorKind.CONNECT,
    ErrorKind.RATE_LIMITED,
    ErrorKind.QUOTA,
    ErrorKind.OVERLOADED,
    ErrorKind.BAD_REQUEST,
    ErrorKind.AUTH,
    ErrorKind.NOT_FOUND,
    ErrorKind.LOCAL,
)
"""How an attempt may end that no provider bills. After any other end without a cost, its reserve counts as spent."""


class Room(Enum):
    """Whether a budget has room for one more call."""

    ENOUGH = auto()
    LATER = auto()
    """Not while the calls in flight may still cost what they reserved; they may well cost less."""


@dataclass(frozen=True, slots=True)
class Account:
    """USD: what is spent, what calls in flight have reserved, and the most that both may come to."""

    spent: Decimal
    reserved: Decimal
    most: Decimal

    @property
    def left(self) -> Decimal:
        """What may still be reserved; never below 0."""
        return max(self.most - self.spent - self.reserved, NOTHING)


def reserve(connection: Connection, job: LockedJob, amount: Decimal, bounds: Sequence[Bound]) -> Room:
    """Set `amount` USD aside for a call of `job`, whose lock the caller holds, within the `bounds` of its tenant.

    Raises BudgetExceeded when there is no room even if the calls in flight should cost nothing.
    """
    if job.max_cost is not None:
        account = job_account(connection, job.id, job.max_cost)
        if _room(account, amount, f"the job may cost {usd_text(job.max_cost)} USD") is Room.LATER:
            return Room.LATER
    moment = now()
    for bound in bounds:
        if _tenant_room(connection, job.tenant, bound, moment, amount) is Room.LATER:
            return Room.LATER
    for bound in bounds:
        connection.execute(
            update(TenantPeriod)
            .where(TenantPeriod.tenant == job.tenant, TenantPeriod.period == bound.period.of(moment))
            .values(reserved=TenantPeriod.reserved + amount, cap=bound.most, alerts=as_rows(bound.alerts))
        )
    return Room.ENOUGH


def settle(
    connection: Connection, tenant: str, started_at: datetime, *, reserved: Decimal, before: Decimal, after: Decimal
) -> None:
    """Correct the tenant's day and month in which a call started.

    By what was reserved, and what counted as spent till now. Writes down the alerts that are due with it.
    """
    for period in Period:  # in this order, as everybody locks them
        row = connection.execute(
            update(TenantPeriod)
            .where(TenantPeriod.tenant == tenant, TenantPeriod.period == period.of(started_at))
            .values(reserved=TenantPeriod.reserved - reserved, spent=TenantPeriod.spent + (after - before))
            .returning(*STANDING)
        ).one_or_none()
        if row is not None:
            tell_alerts(connection, Standing.of(row))


def feared_cost(error_kind: ErrorKind | None, cost: Decimal | None, reserved: Decimal) -> Decimal:
    """What an ended attempt counts as spent: its cost; without one, its reserve if it may have been billed."""
    if cost is not None:
        return cost
    return NOTHING if error_kind in UNBILLED else reserved


def _room(account: Account, amount: Decimal, bound: str) -> Room:
    if account.spent + amount > account.most:
        raise BudgetExceeded(
            f"{bound}; {usd_text(account.spent)} USD are spent, and the next call might cost {usd_text(amount)} USD. "
            "Raise the bound, or let the call answer with fewer tokens (max_tokens)."
        )
    return Room.LATER if account.spent + account.reserved + amount > account.most else Room.ENOUGH


def tenant_accounts(connection: Connection, moment: datetime) -> dict[tuple[str, Period], Account]:
    """The accounts of all tenants that spent, or reserved, something in the periods of `moment`."""
    periods = {period.of(moment): period for period in Period}
    rows = connection.execute(select(*STANDING).where(TenantPeriod.period.in_(sorted(periods))))
    return {(row.tenant, periods[row.period]): Account(row.spent, row.reserved, row.cap) for row in rows}


def job_account(connection: Connection, job_id: str, most: Decimal) -> Account:
    """What the calls of a job cost and may still cost, against the `most` that they may."""
    closed = Attempt.finished_at.is_not(None)
    feared = func.coalesce(Attempt.cost, case((Attempt.error_kind.in_(UNBILLED), 0), else_=Attempt.reserved))
    sums = connection.execute(
        select(
            func.sum(case((closed, feared), else_=0), type_=Attempt.reserved.type).label("spent"),
            func.sum(case((closed, 0), else_=Attempt.reserved), type_=Attempt.reserved.type).label("reserved"),
        ).where(Attempt.job_id == job_id)
    ).one()
    return Account(sums.spent or NOTHING, sums.reserved or NOTHING, most)


def _tenant_room(connection: Connection, tenant: str, bound: Bound, moment: datetime, amount: Decimal) -> Room:
    """Whether the tenant's period has room. One that turns a call away for good has come to its end: that is told."""
    standing = _lock_period(connection, tenant, bound, bound.period.of(moment))
    account = Account(standing.spent, standing.reserved, bound.most)
    try:
        return _room(account, amount, f"tenant {tenant!r} may spend {usd_text(bound.most)} USD a {bound.period}")
    except BudgetExceeded:
        tell_alerts(connection, standing, turned_away=True)
        raise


def _lock_period(connection: Connection, tenant: str, bound: Bound, period: str) -> Standing:
    """Locks the period's row, which is made where it is missing."""
    alerts = as_rows(bound.alerts)
    fresh = Standing(tenant, period, spent=NOTHING, reserved=NOTHING, cap=bound.most, alerts=alerts, told=[])
    connection.execute(insert_missing(connection, TenantPeriod), [asdict(fresh)])
    query = select(*STANDING).where(TenantPeriod.tenant == tenant, TenantPeriod.period == period)
    row = connection.execute(query.with_for_update()).one()
    return replace(Standing.of(row), cap=bound.most, alerts=alerts)
