"""`evaluate`: measure a router on what it did not learn from, and tell whether its traffic has drifted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import context, found, screen
from cli.routers import RouterName
from cli.screen import Json
from cli.times import parse_moment
from cli.training import (
    Source,
    TargetQuality,
    gather_outcomes,
    load_version,
    print_report,
    require_training,
)
from mirepoix.errors import InputError
from mirepoix.ledger.tables import now

if TYPE_CHECKING:
    from learning.drift import Drift


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(evaluate)


def evaluate(
    name: RouterName,
    hash_: Annotated[
        str | None, typer.Argument(metavar="[HASH]", help="How its hash begins [the one that decides].")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Measure it on the outcomes in this file.")] = None,
    source: Annotated[Source | None, typer.Option("--from", help="`traces`: has what is asked drifted?")] = None,
    since: found.Since = "7d",
    pipeline: found.Pipeline = None,
    tenant: found.Tenant = None,
    target_quality: TargetQuality = 0.98,
    json: Json = False,
) -> None:
    """Measure a router on outcomes that it did not learn from, or tell whether its traffic has drifted (exit 1)."""
    require_training()
    from learning.drift import find_drift
    from learning.known import knows_all
    from learning.report import measure
    from learning.version import unseen

    if (data is None) == (source is None) or source is Source.LABELS:
        raise InputError("give one of --data FILE and --from traces.")
    with context.client() as client:
        version, router = load_version(client, name, hash_)
        begin = parse_moment(since or "7d", now())
        fresh = unseen(version.report, gather_outcomes(client, data, begin, pipeline, tenant))
        rival = current_router(client, name)
    if data is None:
        drift = find_drift(router, version.report["profile"], fresh)
        if json:
            screen.print_json({"router": name, "hash": version.hash, **drift.as_json()})
        else:
            _print_drift(drift)
        raise typer.Exit(1 if drift.drifted else 0)
    whole = [outcome for outcome in fresh if knows_all(outcome, router.models)]
    if not whole:
        raise InputError(f"{data}: tells of no other question score and cost of each of {', '.join(router.models)}.")
    measured = measure(router, whole, None if rival is None or rival.hash == version.hash else rival, target_quality)
    if json:
        screen.print_json({"router": name, "hash": version.hash, "report": measured.as_json()})
    else:
        print_report(measured)


def _print_drift(drift: Drift) -> None:
    rows = [
        *((name, f"{shift.index:.3f}", "", _word(shift.much)) for name, shift in drift.shifts.items()),
        *(
            (f"{model} right", "", f"{gap.right:.3f} of {gap.labelled}, told {gap.predicted:.3f}", _word(gap.much))
            for model, gap in drift.gaps.items()
        ),
    ]
    screen.print_table(
        ["measure", "stability index", "came true", "verdict"], rows, title=f"{drift.questions} questions"
    )
    screen.out.print("drifted: train again" if drift.drifted else "not drifted", markup=False, highlight=False)


def _word(much: bool) -> str:
    return "drifted" if much else ""
