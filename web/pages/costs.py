"""What was spent: by day, and by model."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pipelines.baseline import Comparison
from web.pages.bars import columns, share
from web.pages.render import render, usd
from web.pages.savings import savings
from web.pages.sums import Day, merged, span_sums

DAYS = (7, 30, 90)


def show(request: Request) -> Response:
    """The last 7, 30 or 90 days."""
    given = request.query_params.get("days", "30")
    if given not in map(str, DAYS):
        raise HTTPException(400, f"days takes one of {', '.join(map(str, DAYS))}.")
    days = span_sums(request).last_days(int(given))
    models = merged(row for day in days for row in day.models)
    total = sum((row.cost_usd for row in models), Decimal(0))
    dearest = max((row.cost_usd for row in models), default=Decimal(0))
    costs = [_cost(day) for day in days]
    saved = savings(request)
    baseline = request.query_params.get("baseline") or next(iter(saved.models), "")
    if baseline and baseline not in saved.models:
        raise HTTPException(400, f"baseline takes one of {', '.join(saved.models)}.")
    since = datetime.combine(days[0].date, time(), UTC)
    found = saved.newest(baseline, since) if baseline else None
    return render(
        request,
        "costs.html",
        days=days,
        chosen=int(given),
        choices=DAYS,
        costs=costs,
        highest=max(costs, default=Decimal(0)),
        columns=columns(
            [float(cost) for cost in costs],
            [f"{day.date}: {usd(cost)}" for day, cost in zip(days, costs, strict=True)],
        ),
        models=[(row, share(row.cost_usd, dearest), share(row.cost_usd, total) / 10) for row in models],
        total=total,
        baselines=saved.models,
        saved=found,
        beside=_beside(found) if found else (),
    )


def _beside(found: Comparison) -> list[tuple[str, Decimal, float]]:
    """What it cost and what it would have cost: words, USD, and how long their bars are."""
    longest = max(found.cost, found.baseline)
    amounts = (("Cost", found.cost), (f"All on {found.model}", found.baseline))
    return [(words, amount, share(amount, longest)) for words, amount in amounts]


def _cost(day: Day) -> Decimal:
    return sum((row.cost_usd for row in day.models), Decimal(0))
