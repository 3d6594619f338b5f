"""What goes on at this moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from db.figures import QueueFigures, living_workers, newest_latencies, open_jobs, queue_figures
from db.job_pages import JobFilter, list_page
from mirepoix.ledger.read import read_jobs
from mirepoix.ledger.tables import now
from web.house import House, house_of
from web.pages.bars import Column, columns
from web.pages.render import render
from web.pages.savings import savings
from web.pages.sums import Sums, span_sums

LOOKED_BACK = 60
"""Minutes."""
NEWEST_JOBS = 8
SAVED_SINCE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Minute:
    """The attempts begun in one minute; `failed` ended with an error."""

    start: datetime
    attempts: int
    failed: int
    cost_usd: Decimal


@dataclass(frozen=True, slots=True)
class Rates:
    """The last hour in figures: attempts a minute over the last five, spend, failures."""

    per_minute: float
    attempts: int
    failed: int
    cost_usd: Decimal


def show(request: Request) -> Response:
    """The whole page."""
    return render(request, "overview.html", **_figures(request))


def live(request: Request) -> Response:
    """The part of it that changes, to be put in place of what is there."""
    return render(request, "live.html", **_figures(request))


def _figures(request: Request) -> dict[str, Any]:
    house = house_of(request)
    moment = now()
    sums = span_sums(request)
    today = sums.last_days(1, moment)[0]
    saved = savings(request)
    minutes = [_minute(start, rows) for start, rows in sums.last_minutes(LOOKED_BACK, moment)]
    with house.client.database.read() as connection:
        latencies = newest_latencies(connection)
        newest = list_page(connection, JobFilter(), size=NEWEST_JOBS)
        return {
            "rates": _rates(minutes, moment),
            "minutes": _by_minute(minutes),
            "busiest": max(minute.attempts for minute in minutes),
            "median": _share_of(latencies, 0.5),
            "slow": _share_of(latencies, 0.95),
            "today": sum((row.cost_usd for row in today.models), Decimal(0)),
            "open_jobs": open_jobs(connection),
            "queues": _queues(house, queue_figures(connection)),
            "workers": living_workers(connection),
            "jobs": read_jobs(connection, newest.ids),
            "saved": saved.newest(saved.models[0], moment - SAVED_SINCE) if saved.models else None,
            "moment": moment,
        }


def _minute(start: datetime, rows: Sums) -> Minute:
    attempts, failed = sum(row.attempts for row in rows), sum(row.failed for row in rows)
    return Minute(start, attempts, failed, sum((row.cost_usd for row in rows), Decimal(0)))


def _rates(minutes: list[Minute], moment: datetime) -> Rates:
    recent = [minute for minute in minutes if minute.start > moment - timedelta(minutes=5)]
    return Rates(
        per_minute=sum(minute.attempts for minute in recent) / 5,
        attempts=sum(minute.attempts for minute in minutes),
        failed=sum(minute.failed for minute in minutes),
        cost_usd=sum((minute.cost_usd for minute in minutes), Decimal(0)),
    )


def _by_minute(minutes: list[Minute]) -> list[Column]:
    titles = [f"{minute.start:%H:%M}: {minute.attempts} calls, {minute.failed} failed" for minute in minutes]
    counts, failed = [float(minute.attempts) for minute in minutes], [float(minute.failed) for minute in minutes]
    return columns(counts, titles, failed)


def _share_of(rising: list[float], share: float) -> float | None:
    return rising[min(int(len(rising) * share), len(rising) - 1)] if rising else None


def _queues(house: House, figures: dict[str | None, QueueFigures]) -> list[QueueFigures]:
    names = dict.fromkeys([None, *house.config.providers, *figures])
    return [figures.get(name, QueueFigures(name, 0, None, 0)) for name in names]
