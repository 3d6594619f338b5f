"""`autoscale`: how many worker processes each provider is worth now."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from cli import context, screen
from cli.screen import Json
from db.migrate import require_current
from mirepoix.errors import NotFound
from mirepoix.ledger.engine import Database
from mirepoix.strict import unknown


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(autoscale)


def autoscale(
    provider: Annotated[str | None, typer.Argument(help="Only this provider: prints its number alone.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say why, in words, for people to read.")] = False,
    json: Json = False,
) -> None:
    """Print how many worker processes each provider is worth, for whoever scales them; nothing is started or stopped.

    From what waits and for how long, how long calls take, and what limits can feed (docs/operations.md).
    """
    from tasks.autoscale import read_sizings

    settings = context.settings()
    config = context.config(settings)
    if provider is not None and provider not in config.providers:
        raise NotFound(unknown(f"provider {provider!r}", provider, config.providers))
    database = Database(settings.database_url)
    require_current(database)
    sizings = read_sizings(database, config, settings.redis_url)
    asked = sizings if provider is None else {provider: sizings[provider]}
    if json:
        for name, sizing in asked.items():
            screen.print_json({"provider": name, **_finite(asdict(sizing))})
    elif dry_run:
        rows = [(name, str(each.running), str(each.workers), each.reason) for name, each in asked.items()]
        screen.print_table(["provider", "running", "worth", "why"], rows)
    else:
        for name, sizing in asked.items():
            screen.out.print(f"{name} {sizing.workers}" if provider is None else str(sizing.workers), markup=False)


def _finite(sizing: dict[str, Any]) -> dict[str, Any]:
    """JSON knows no infinity: without limits there is no bound, which is null."""
    return {key: None if value == float("inf") else value for key, value in sizing.items()}
