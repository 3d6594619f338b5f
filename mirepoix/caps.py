"""What tenants may spend in a day and in a month, and who is told how much of it is gone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, HttpUrl, model_validator

from mirepoix.addresses import is_link_local
from mirepoix.strict import Strict
from mirepoix.webhooks import EnvName

EVERY_TENANT = "*"
Percent = Annotated[int, Field(ge=1, le=100)]


class Period(StrEnum):
    """For how long a cap holds, in UTC."""

    DAY = "day"
    """Named like `2026-11-25`."""
    MONTH = "month"
    """Named like `2026-11`."""

    def of(self, moment: datetime) -> str:
        """The name of the period in which `moment` lies."""
        return f"{moment.astimezone(UTC):%Y-%m-%d}" if self is Period.DAY else f"{moment.astimezone(UTC):%Y-%m}"


class Alert(Strict):
    """Tells `webhook` when `tenant` (`*`: any that has a cap) has spent a share of its cap of a day or a month.

    Each of the shares in `at`, in %, is told once a day, or a month. 100 is told as well when a call was turned away
    because the cap has no room for it. One for `*` is told when a canary is stopped, too. `secret_env` is whose secret
    signs it, where it is not that of `webhooks`.
    """

    tenant: str = EVERY_TENANT
    at: tuple[Percent, ...] = Field(default=(50, 80, 100), min_length=1, max_length=20)
    webhook: HttpUrl
    secret_env: EnvName | None = None

    @model_validator(mode="after")
    def _leads_to_no_metadata(self) -> Self:
        if is_link_local(self.webhook.host or ""):
            raise ValueError(f"webhook leads to {self.webhook.host!r}, a link-local or metadata address.")
        return self


@dataclass(frozen=True, slots=True)
class Bound:
    """The most, in USD, that a tenant's calls may cost in a period, and the alerts on it."""

    period: Period
    most: Decimal
    alerts: tuple[Alert, ...] = ()
