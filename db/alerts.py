"""Alerts, written to the outbox in the transaction in which they come true.

On budgets once a period for each share that is passed; on canaries when one is stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

from pydantic import JsonValue
from sqlalchemy import Connection, Row, update

from mirepoix.caps import EVERY_TENANT, Alert
from mirepoix.ledger.outbox import BUDGET_ALERT, CANARY_STOPPED, announce_alert
from mirepoix.ledger.tables import TenantPeriod
from mirepoix.views import usd_text

STANDING = (
    TenantPeriod.tenant,
    TenantPeriod.period,
    TenantPeriod.spent.label("spent"),
    TenantPeriod.reserved.label("reserved"),
    TenantPeriod.cap.label("cap"),
    TenantPeriod.alerts,
    TenantPeriod.told,
)
"""The columns that make a `Standing`."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a tenant stands in a period; who has one holds the lock of its row. Money is USD.

    `alerts` are rows of `as_rows`, `told` the keys of those that have been told.
    """

    tenant: str
    period: str
    spent: Decimal
    reserved: Decimal
    cap: Decimal
    alerts: list[dict[str, Any]]
    told: list[str]

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """From a row with the columns `STANDING`."""
        return cls(**row._asdict())


def as_rows(alerts: Sequence[Alert]) -> list[dict[str, Any]]:
    """One entry for each threshold of `alerts`, as the ledger keeps it."""
    return [
        {"at": at, "url": str(alert.webhook), "secret_env": alert.secret_env}
        for alert in alerts
        for at in sorted(set(alert.at))
    ]


def tell_alerts(connection: Connection, standing: Standing, *, turned_away: bool = False) -> None:
    """Write down the alerts that are due and were not told in this period.

    `turned_away`: a call did not fit under the cap, which therefore counts as reached.
    """
    due = {
        f"{alert['at']} {alert['url']}": alert
        for alert in standing.alerts
        if standing.spent * 100 >= standing.cap * alert["at"] or (turned_away and alert["at"] == 100)
    }
    fresh = {key: alert for key, alert in due.items() if key not in standing.told}
    for alert in fresh.values():
        payload = {
            "tenant": standing.tenant,
            "period": standing.period,
            "at": alert["at"],
            "cap_usd": usd_text(standing.cap),
            "spent_usd": usd_text(standing.spent),
            "reserved_usd": usd_text(standing.reserved),
            "turned_away": turned_away,
        }
        announce_alert(connection, BUDGET_ALERT, standing.tenant, alert["url"], alert["secret_env"], payload)
    if fresh:
        connection.execute(
            update(TenantPeriod)
            .where(TenantPeriod.tenant == standing.tenant, TenantPeriod.period == standing.period)
            .values(told=[*standing.told, *fresh])
        )


def tell_stop(connection: Connection, alerts: Sequence[Alert], payload: Mapping[str, JsonValue]) -> None:
    """Write down for each address that is told of every tenant that a canary is stopped, once."""
    addresses = {str(alert.webhook): alert.secret_env for alert in alerts if alert.tenant == EVERY_TENANT}
    for url, secret_env in addresses.items():
        announce_alert(connection, CANARY_STOPPED, EVERY_TENANT, url, secret_env, payload)
