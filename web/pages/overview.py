"""What goes on at this moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from db.figures import (
    Minute,
    QueueFigures,
    living_workers,
    minutes_since,
    newest_latencies,
    open_jobs,
    queue_figures,
)
from db.listing import JobFilter, list_page
from mirepoix.ledger.read import read_jobs
from mirepoix.ledger.tables import now
from web.house import House, house_of
from web.pages.bars import Column, columns
from web.pages.render import render
from web.pages.sums import day_sums

LOOKED_BACK = timedelta(hours=1)
NEWEST_JOBS = 8


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
    today = day_sums(request).last_days(1, moment)[0]
    with house.client.database.read() as connection:
        minutes = minutes_since(connection, moment - LOOKED_BACK)
        latencies = newest_latencies(connection)
        newest = list_page(connection, JobFilter(), size=NEWEST_JOBS)
        return {
            "rates": _rates(minutes),
            "minutes": _by_minute(minutes),
            "median": _share_of(latencies, 0.5),
            "slow": _share_of(latencies, 0.95),
            "today": sum((row.cost_usd for row in today.models), Decimal(0)),
            "open_jobs": open_jobs(connection),
            "queues": _queues(house, queue_figures(connection)),
            "workers": living_workers(connection),
            "jobs": read_jobs(connection, newest.ids),
            "moment": moment,
        }


def _rates(minutes: list[Minute]) -> Rates:
    recent = [minute for minute in minutes if minute.start >= now() - timedelta(minutes=5)]
    return Rates(
        per_minute=sum(minute.attempts for minute in recent) / 5,
        attempts=sum(minute.attempts for minute in minutes),
        failed=sum(minute.failed for minute in minutes),
        cost_usd=sum((minute.cost_usd for minute in minutes), Decimal(0)),
    )


def _by_minute(minutes: list[Minute]) -> list[Column]:
    known = {minute.start: minute for minute in minutes}
    last = now().replace(second=0, microsecond=0)
    hour = [last - timedelta(minutes=back) for back in reversed(range(60))]
    counts = [(known[at].attempts, known[at].failed) if at in known else (0, 0) for at in hour]
    titles = [f"{at:%H:%M}: {count} calls, {failed} failed" for at, (count, failed) in zip(hour, counts, strict=True)]
    return columns([float(count) for count, _ in counts], titles, [float(failed) for _, failed in counts])


def _share_of(rising: list[float], share: float) -> float | None:
    return rising[min(int(len(rising) * share), len(rising) - 1)] if rising else None


def _queues(house: House, figures: dict[str | None, QueueFigures]) -> list[QueueFigures]:
    names = dict.fromkeys([None, *house.config.providers, *figures])
    return [figures.get(name, QueueFigures(name, 0, None, 0)) for name in names]
