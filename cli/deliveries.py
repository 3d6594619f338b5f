"""`deliveries`: which webhooks were sent, and what became of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from cli import context, screen
from cli.screen import Json
from db.deliveries import Logged, list_deliveries, send_again
from mirepoix.states import DeliveryState


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(deliveries)


def deliveries(
    state: Annotated[DeliveryState | None, typer.Option(help="Only deliveries in this state.")] = None,
    job: Annotated[str | None, typer.Option(metavar="JOB", help="Only those of this job.")] = None,
    again: Annotated[str | None, typer.Option(metavar="ID", help="Send this one now, whatever became of it.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at the most.")] = 20,
    json: Json = False,
) -> None:
    """List the webhooks that were, or are to be, sent, the newest first."""
    with context.client() as client:
        if again is not None:
            with client.database.write() as connection:
                send_again(connection, again)
        with client.database.read() as connection:
            found = list_deliveries(connection, state=state, job_id=job, limit=limit)
    if json:
        for delivery in found:
            times = {name: at and at.isoformat() for name, at in asdict(delivery).items() if name.endswith("_at")}
            screen.print_json({**asdict(delivery), **times})
        return
    columns = ["id", "event", "tenant", "job", "url", "state", "tries", "last answer"]
    screen.print_table(columns, [_cells(delivery) for delivery in found])


def _cells(delivery: Logged) -> tuple[str, ...]:
    answer = screen.shown(delivery.error or str(delivery.status or "-"), 60)
    whose = (delivery.tenant, delivery.job or "-", delivery.url)
    return (
        delivery.id,
        delivery.event,
        *(screen.harmless(text) for text in whose),
        delivery.state,
        str(delivery.tries),
        answer,
    )
