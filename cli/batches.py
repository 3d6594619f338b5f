"""`batches`: which calls that may wait are gathered, sent and answered together."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from cli import context, screen
from cli.screen import Json
from db.batch_listing import ListedBatch, list_batches
from mirepoix.states import BatchState


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(batches)


def batches(
    state: Annotated[BatchState | None, typer.Option(help="Only batches in this state.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only those of this provider.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at the most.")] = 20,
    json: Json = False,
) -> None:
    """List the batches that gather, were sent, or have ended, the newest first."""
    with context.client() as client, client.database.read() as connection:
        found = list_batches(connection, provider=provider, state=state, limit=limit)
    if json:
        for batch in found:
            times = {name: at and at.isoformat() for name, at in asdict(batch).items() if name.endswith("_at")}
            screen.print_json({**asdict(batch), **times})
        return
    columns = ["id", "model", "state", "requests", "bytes", "provider's id", "begun", "ended", "error"]
    screen.print_table(columns, [_cells(batch) for batch in found])


def _cells(batch: ListedBatch) -> tuple[str, ...]:
    return (
        batch.id,
        screen.harmless(f"{batch.provider}: {batch.model}"),
        batch.state,
        f"{batch.requests:,}",
        f"{batch.bytes:,}",
        screen.harmless(batch.remote_id or "-"),
        f"{batch.created_at:%Y-%m-%d %H:%M:%S}",
        "-" if batch.ended_at is None else f"{batch.ended_at:%Y-%m-%d %H:%M:%S}",
        screen.shown(batch.error or "-", 60),
    )
