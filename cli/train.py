"""`train`: make a router of a house's own traffic, or of outcomes in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import context, found, screen
from cli.routers import SHORT, RouterName, shown_report
from cli.screen import Json
from cli.times import parse_moment
from cli.training import Source, TargetQuality, current_router, gather_outcomes, print_report, require_training
from db.routers import store_version
from mirepoix.errors import InputError
from mirepoix.ledger.tables import now
from mirepoix.states import TrainedKind


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(train)


def train(
    name: RouterName,
    labels: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Outcomes (JSONL, gzip or not), for `--from labels`.")
    ] = None,
    source: Annotated[Source, typer.Option("--from", help="The ledger, or FILE.")] = Source.TRACES,
    since: found.Since = None,
    pipeline: found.Pipeline = None,
    tenant: found.Tenant = None,
    models: Annotated[
        str | None, typer.Option(help="Between which it chooses, with commas [all that are known].")
    ] = None,
    target_quality: TargetQuality = 0.98,
    seed: Annotated[int, typer.Option(help="The same seed and outcomes give the same router.")] = 1,
    json: Json = False,
) -> None:
    """Train a router, measure it on questions kept back, and store it as a new version; `promote` lets it decide."""
    require_training()
    from learning.known import models_known
    from learning.version import train_version

    if (source is Source.LABELS) != (labels is not None):
        raise InputError("`--from labels` takes a FILE of outcomes; `--from traces` takes none.")
    with context.client() as client:
        begin = None if since is None else parse_moment(since, now())
        outcomes = gather_outcomes(client, labels, begin, pipeline, tenant)
        between = models_known(outcomes) if models is None else _names(models)
        if not between:
            raise InputError(
                "of no model enough outcomes are known to learn from; docs/routing.md says how to get some."
            )
        trained = train_version(
            outcomes, between, current_router(client, name), target_quality=target_quality, seed=seed
        )
        with client.database.write() as connection:
            version = store_version(connection, name, TrainedKind.ROUTER, trained.router.to_bytes(), trained.report)
    if json:
        screen.print_json({"router": name, "hash": version.hash, "report": shown_report(trained.report)})
        return
    print_report(trained.measured)
    learned = f"{name} {version.hash[:SHORT]} learned from {trained.report['learned_from']} questions"
    screen.out.print(f"{learned}; {version.size:,} bytes", markup=False, highlight=False)


def _names(models: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in models.split(",") if name.strip()))
    if not names:
        raise InputError("--models takes the names of models, with commas.")
    return names
