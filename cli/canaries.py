"""`canaries`: how the next versions of pipelines fare beside the present ones; stop one, let it go on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from cli import context, screen
from cli.screen import Json
from db.canaries import Tally, stop_canary, tally_sides
from mirepoix.client import Client
from mirepoix.config import Config
from mirepoix.errors import InputError, NotFound
from mirepoix.ledger.canaries import CanaryStanding, change_canary, read_canary
from mirepoix.rollouts import NextVersion
from mirepoix.states import CanaryState
from mirepoix.strict import unknown
from mirepoix.views import usd_text

BY_HAND = "somebody asked for it"
NO_JOBS = Tally(0, 0, Decimal(0), None)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(canaries)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A canary of the configuration, how it stands (None: no job came yet), and both sides."""

    pipeline: str
    new: NextVersion
    standing: CanaryStanding | None
    canary: Tally
    base: Tally


def canaries(
    stop: Annotated[str | None, typer.Option(metavar="PIPELINE", help="Send no more jobs to its canary.")] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="PIPELINE", help="Send jobs to its stopped canary again, counting anew.")
    ] = None,
    json: Json = False,
) -> None:
    """Show each canary beside what it is to replace: failures, cost and latency of the newest jobs, and its state."""
    with context.client() as client:
        for pipeline, state in ((stop, CanaryState.STOPPED), (resume, CanaryState.RUNNING)):
            if pipeline is not None:
                _change(client, pipeline, state)
        with client.database.read() as connection:
            found = list(_read(connection, client.config))
    if json:
        for shown in found:
            screen.print_json(_fields(shown))
        return
    columns = ["pipeline", "canary", "state", "jobs", "failed %", "mean USD", "mean s", "why"]
    screen.print_table(columns, [row for shown in found for row in _rows(shown)])


def _change(client: Client, pipeline: str, state: CanaryState) -> None:
    """By hand. Raises NotFound where there is no such canary, InputError where it is in that state already."""
    new = client.config.next_version(pipeline)
    if new is None or new.rollout.canary is None:
        known = [name for name, rollout in client.config.rollouts.items() if rollout.canary is not None]
        raise NotFound(unknown(f"canary of {pipeline!r}", pipeline, known))
    with client.database.write() as connection:
        standing = read_canary(connection, pipeline, new.version)
        if standing is None:
            raise InputError(f"no job was drawn for the canary of {pipeline!r} yet; take it out of the configuration.")
        if standing.state is state:
            raise InputError(f"the canary of {pipeline!r} is {state} already.")
        if state is CanaryState.STOPPED:
            stop_canary(connection, standing, BY_HAND, {}, ())
        else:
            change_canary(connection, standing, state, BY_HAND, {})


def _read(connection: Connection, config: Config) -> Iterator[_Shown]:
    for pipeline in config.rollouts:
        new = config.next_version(pipeline)
        if new is None or new.rollout.canary is None:
            continue
        standing = read_canary(connection, pipeline, new.version)
        tallies = {} if standing is None else tally_sides(connection, standing)
        yield _Shown(pipeline, new, standing, tallies.get(True, NO_JOBS), tallies.get(False, NO_JOBS))


def _rows(shown: _Shown) -> Iterator[tuple[str, ...]]:
    """One for each side."""
    standing, rollout = shown.standing, shown.new.rollout
    told = "no job yet" if standing is None else standing.state.value
    why = "" if standing is None else standing.reason
    share = f"{rollout.to} ({100 * (rollout.canary or 0):g}% by {rollout.by})"
    yield (shown.pipeline, share, told, *_cells(shown.canary), why)
    yield ("", "the others", "", *_cells(shown.base), "")


def _cells(tally: Tally) -> tuple[str, ...]:
    if not tally.jobs:
        return "0", "-", "-", "-"
    seconds = "-" if tally.seconds is None else f"{tally.seconds:.2f}"
    return str(tally.jobs), f"{100 * tally.failed / tally.jobs:.1f}", f"{tally.cost_usd:.8f}", seconds


def _fields(shown: _Shown) -> dict[str, Any]:
    standing, rollout = shown.standing, shown.new.rollout
    return {
        "pipeline": shown.pipeline,
        "canary": rollout.to,
        "version": shown.new.version,
        "share": rollout.canary,
        "by": rollout.by,
        "state": None if standing is None else standing.state,
        "since": None if standing is None else standing.created_at.isoformat(),
        "reason": None if standing is None else standing.reason,
        "figures": {} if standing is None else standing.figures,
        "canary_jobs": _tally(shown.canary),
        "other_jobs": _tally(shown.base),
    }


def _tally(tally: Tally) -> dict[str, Any]:
    return {
        "jobs": tally.jobs,
        "failed": tally.failed,
        "mean_cost_usd": usd_text(tally.cost_usd),
        "mean_latency_s": tally.seconds,
    }
