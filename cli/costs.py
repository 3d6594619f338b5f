"""`costs`, `budgets`: what was spent, what it would have been otherwise, what it will be, and what is left."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import typer

from cli import context, screen
from cli.screen import Json
from cli.times import parse_moments
from db.baselines import cost_of_others, finished_jobs
from db.budgets import NOTHING, Account, tenant_accounts
from db.costs import UNTAGGED, CostRow, Scope, daily_sums, parse_grouping, sum_costs
from mirepoix.caps import EVERY_TENANT, Period
from mirepoix.config import Config
from mirepoix.errors import InputError
from mirepoix.ledger.engine import Database
from mirepoix.ledger.tables import now
from mirepoix.views import usd_text
from pipelines.baseline import Comparison, compare
from pipelines.forecast import CONFIDENCE, FEWEST_DAYS, Forecast, first_day, forecast

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""With what a spreadsheet takes a text for a formula."""
TAKEN_FOR_GRANTED = (
    "This takes for granted that it would have used the same tokens, answered each question at the first attempt, and "
    "been served by the same caches."
)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (costs, budgets):
        app.command()(command)


def costs(
    by: Annotated[str, typer.Option(help="model, provider, pipeline, tenant, day, or tag:NAME.")] = "model",
    since: Annotated[str | None, typer.Option(help="Only from then on: 30d, 12h, 2026-11-01.")] = None,
    until: Annotated[str | None, typer.Option(help="Only before then; as --since.")] = None,
    pipeline: Annotated[str | None, typer.Option(help="Only jobs of this pipeline.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only jobs of this tenant.")] = None,
    baseline: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Compare with what it would have cost all on this model.")
    ] = None,
    to_month_end: Annotated[bool, typer.Option("--forecast", help="Say what this month will come to.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    json: Json = False,
) -> None:
    """Sum what was spent. What --baseline and --forecast mean, and rest on: docs/costs.md."""
    if as_csv and (json or baseline is not None or to_month_end):
        raise InputError("--csv holds the sums alone; it goes with no --json, --baseline or --forecast.")
    moment, grouping = now(), parse_grouping(by)
    begin, end = parse_moments(since, until, moment)
    scope = Scope(begin, end, pipeline, tenant)
    with context.client() as client:
        with client.database.read() as connection:
            sums = sum_costs(connection, grouping, scope)
        _print_sums(sums, by, as_csv=as_csv, json=json)
        if baseline is not None:
            with client.database.read() as connection:
                found = compare(finished_jobs(connection, scope), client.config, baseline)
                others = cost_of_others(connection, scope)
            _print_comparison(found, others, json=json)
        if to_month_end:
            _print_forecast(_forecast(client.database, scope, moment), json=json)


def budgets(json: Json = False) -> None:
    """Show what each tenant with a cap has spent of it today and this month, and what is left."""
    with context.client() as client:
        with client.database.read() as connection:
            accounts = tenant_accounts(connection, now())
        found = list(_budgets(client.config, accounts))
    if json:
        for budget in found:
            screen.print_json(budget)
        return
    columns = ["tenant", "period", "cap USD", "spent USD", "reserved USD", "left USD", "spent %"]
    screen.print_table(columns, [tuple(str(value) for value in budget.values()) for budget in found])


def _budgets(config: Config, accounts: Mapping[tuple[str, Period], Account]) -> Iterator[dict[str, str]]:
    """Of the tenants that the configuration names and of those that spent something, in each period with a cap."""
    named = {name for name in config.tenants if name != EVERY_TENANT}
    for tenant in sorted(named | {tenant for tenant, _ in accounts}):
        for bound in config.bounds(tenant):
            account = accounts.get((tenant, bound.period), Account(NOTHING, NOTHING, bound.most))
            yield {
                "tenant": tenant,
                "period": bound.period,
                **budget_fields(replace(account, most=bound.most)),
                "spent_percent": _percent(account.spent, bound.most),
            }


def budget_fields(account: Account) -> dict[str, str]:
    """An account as texts in USD."""
    amounts = {"cap": account.most, "spent": account.spent, "reserved": account.reserved, "left": account.left}
    return {f"{name}_usd": usd_text(usd) for name, usd in amounts.items()}


def _print_sums(sums: Sequence[CostRow], by: str, *, as_csv: bool, json: bool) -> None:
    if as_csv:
        _print_csv(sums, by)
    elif json:
        for row in sums:
            screen.print_json({**_texts(row), "by": by})
    else:
        columns = ["calls", "cached calls", "failed attempts", "unknown attempts"]
        columns += ["input tokens", "of which cached tokens", "output tokens", "USD"]
        screen.print_table([by, *columns], [_cells(row) for row in sums])


def _cells(row: CostRow) -> tuple[str, ...]:
    counts = (row.calls, row.cached_calls, row.failed, row.unknown + row.open)
    tokens = (row.input_tokens, row.cached_tokens, row.output_tokens)
    return (screen.harmless(row.group), *(str(count) for count in (*counts, *tokens)), usd_text(row.cost_usd))


def _texts(row: CostRow) -> dict[str, Any]:
    money = {name: usd_text(value) for name, value in asdict(row).items() if isinstance(value, Decimal)}
    return {**asdict(row), **money}


def _print_csv(sums: Sequence[CostRow], by: str) -> None:
    """With a heading; what a spreadsheet would run is given as text, by a quote before it."""
    names = [field.name for field in fields(CostRow)]
    lines = csv.DictWriter(sys.stdout, [by if name == "group" else name for name in names], lineterminator="\n")
    lines.writeheader()
    for row in sums:
        texts = _texts(row)
        group = texts.pop("group")
        lines.writerow({by: f"'{group}" if group.startswith(FORMULA) and group != UNTAGGED else group, **texts})


def _print_comparison(found: Comparison, others: Decimal, *, json: bool) -> None:
    saved = usd_text(found.saved_percent)
    if json:
        amounts = {"cost": found.cost, "baseline": found.baseline, "saved": found.saved, "not_compared": others}
        texts = {f"{name}_usd": usd_text(usd) for name, usd in amounts.items()}
        screen.print_json({"baseline": found.model, "jobs": found.jobs, **texts, "saved_percent": saved})
        return
    compared = (
        f"All on {found.model}: {found.jobs} jobs that succeeded cost {usd_text(found.cost)} USD; each question asked "
        f"once of {found.model} would have cost {usd_text(found.baseline)} USD. Saved {usd_text(found.saved)} USD, "
        f"{saved} %."
    )
    lines = [compared, TAKEN_FOR_GRANTED]
    if others:
        lines.append(f"Not compared: {usd_text(others)} USD for jobs that did not succeed, or are not at their end.")
    for line in lines:
        screen.out.print(line, markup=False, highlight=False)


def _print_forecast(found: Forecast, *, json: bool) -> None:
    if json:
        money = {name: None if usd is None else usd_text(usd) for name, usd in _money(found).items()}
        screen.print_json({"month": found.month, "days": found.days, **money, "confidence": CONFIDENCE})
        return
    so_far = f"{found.month}: {usd_text(found.spent)} USD so far"
    if found.expected is None or found.low is None or found.high is None:
        text = f"{so_far}; {found.days} whole days are too few to say what comes, {FEWEST_DAYS} are needed."
    else:
        text = (
            f"{so_far}; about {usd_text(found.expected)} USD by its end, between {usd_text(found.low)} and "
            f"{usd_text(found.high)} USD in nine of ten cases, if it goes on as in the last {found.days} whole days."
        )
    screen.out.print(text, markup=False, highlight=False)


def _money(found: Forecast) -> dict[str, Decimal | None]:
    return {
        "spent_usd": found.spent,
        "expected_usd": found.expected,
        "low_usd": found.low,
        "high_usd": found.high,
    }


def _forecast(database: Database, scope: Scope, moment: datetime) -> Forecast:
    """Of the pipeline and tenant that were asked for, whatever the days."""
    with database.read() as connection:
        return forecast(daily_sums(connection, replace(scope, since=first_day(moment), until=None)), moment)


def _percent(part: Decimal, whole: Decimal) -> str:
    """`87.7`; `0` of nothing."""
    return usd_text(round(100 * part / whole, 1)) if whole else "0"
