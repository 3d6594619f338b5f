"""Money bounds: what a job, or a tenant on one day, may spend. Reserved before a call, settled after it.

Who reserves holds the job's lock, or that of the tenant's day, so no two calls spend the same cent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum, auto

from sqlalchemy import Connection, case, func, select, update

from db.locks import LockedJob
from mirepoix.errors import BudgetExceeded
from mirepoix.ledger.contents import insert_missing
from mirepoix.ledger.tables import Attempt, TenantDay, now
from mirepoix.states import ErrorKind
from mirepoix.views import usd_text

NOTHING = Decimal(0)
UNBILLED = (
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


def reserve(connection: Connection, job: LockedJob, amount: Decimal, daily_cap: Decimal | None) -> Room:
    """Set `amount` USD aside for a call of `job`, whose lock the caller holds.

    Raises BudgetExceeded when there is no room even if the calls in flight should cost nothing.
    """
    if job.max_cost is not None:
        account = _job_account(connection, job.id, job.max_cost)
        if _room(account, amount, f"the job may cost {usd_text(job.max_cost)} USD") is Room.LATER:
            return Room.LATER
    if daily_cap is not None:
        account = _day_account(connection, job.tenant, daily_cap)
        whom = f"tenant {job.tenant!r} may spend {usd_text(daily_cap)} USD a day"
        if _room(account, amount, whom) is Room.LATER:
            return Room.LATER
        connection.execute(
            update(TenantDay)
            .where(TenantDay.tenant == job.tenant, TenantDay.day == today(now()))
            .values(reserved=TenantDay.reserved + amount)
        )
    return Room.ENOUGH


def settle(
    connection: Connection, tenant: str, started_at: datetime, *, reserved: Decimal, before: Decimal, after: Decimal
) -> None:
    """Correct the tenant's day on which a call started: by what was reserved, and what counted as spent till now."""
    connection.execute(
        update(TenantDay)
        .where(TenantDay.tenant == tenant, TenantDay.day == today(started_at))
        .values(reserved=TenantDay.reserved - reserved, spent=TenantDay.spent + (after - before))
    )


def feared_cost(error_kind: ErrorKind | None, cost: Decimal | None, reserved: Decimal) -> Decimal:
    """What an ended attempt counts as spent: its cost; without one, its reserve if it may have been billed."""
    if cost is not None:
        return cost
    return NOTHING if error_kind in UNBILLED else reserved


def today(moment: datetime) -> str:
    """The day of `moment` in UTC, ISO 8601."""
    return moment.date().isoformat()


def _room(account: Account, amount: Decimal, bound: str) -> Room:
    if account.spent + amount > account.most:
        raise BudgetExceeded(
            f"{bound}; {usd_text(account.spent)} USD are spent, and the next call might cost {usd_text(amount)} USD. "
            "Raise the bound, or let the call answer with fewer tokens (max_tokens)."
        )
    return Room.LATER if account.spent + account.reserved + amount > account.most else Room.ENOUGH


def _job_account(connection: Connection, job_id: str, most: Decimal) -> Account:
    closed = Attempt.finished_at.is_not(None)
    feared = func.coalesce(Attempt.cost, case((Attempt.error_kind.in_(UNBILLED), 0), else_=Attempt.reserved))
    sums = connection.execute(
        select(
            func.sum(case((closed, feared), else_=0), type_=Attempt.reserved.type).label("spent"),
            func.sum(case((closed, 0), else_=Attempt.reserved), type_=Attempt.reserved.type).label("reserved"),
        ).where(Attempt.job_id == job_id)
    ).one()
    return Account(sums.spent or NOTHING, sums.reserved or NOTHING, most)


def _day_account(connection: Connection, tenant: str, most: Decimal) -> Account:
    """Locks the day's row, which is made where it is missing."""
    day = today(now())
    empty = {"tenant": tenant, "day": day, "spent": NOTHING, "reserved": NOTHING}
    connection.execute(insert_missing(connection, TenantDay), [empty])
    query = select(TenantDay.spent.label("spent"), TenantDay.reserved.label("reserved"))
    row = connection.execute(query.where(TenantDay.tenant == tenant, TenantDay.day == day).with_for_update()).one()
    return Account(row.spent, row.reserved, most)
