"""`routers`, `promote`: what was trained, and which version of it decides."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import context, screen
from cli.screen import Json
from db.routers import Version, find_version, list_versions, promote_version
from mirepoix.errors import InputError

SHORT = 12
"""Digits of a hash that people are shown."""
SEEN_BY_PROGRAMS = ("seen", "profile")
"""What of a report is not shown."""

RouterName = Annotated[str, typer.Argument(metavar="ROUTER", help="The name that routes call it by.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (routers, promote):
        app.command()(command)


def routers(
    name: Annotated[str | None, typer.Argument(metavar="[ROUTER]", help="Only the versions of this one.")] = None,
    json: Json = False,
) -> None:
    """List what was trained, the newest version first; the one that was promoted last decides."""
    with context.client() as client, client.database.read() as connection:
        versions = list_versions(connection, name)
    if json:
        for version in versions:
            screen.print_json(_shown(version))
        return
    rows = [
        (
            version.name,
            version.hash[:SHORT],
            version.kind.value,
            f"{version.size:,}",
            f"{version.trained_at:%Y-%m-%d %H:%M}",
            "decides" if version.current else "" if version.promoted_at is None else "decided before",
            screen.shown(version.reason or str(version.report.get("verdict", "")), 120),
        )
        for version in versions
    ]
    screen.print_table(["name", "hash", "kind", "bytes", "trained", "state", "why"], rows)


def promote(
    name: RouterName,
    hash_: Annotated[
        str | None, typer.Argument(metavar="[HASH]", help="How its hash begins [the one trained last].")
    ] = None,
    force: Annotated[str | None, typer.Option(metavar="REASON", help="Although it is not better; why.")] = None,
    json: Json = False,
) -> None:
    """Let a version decide from now on, in running workers too. Exits 1 when it is not better than the current one."""
    if force is not None and not force.strip():
        raise InputError("--force needs a reason: it is kept with the version.")
    with context.client() as client, client.database.write() as connection:
        version = find_version(connection, name, hash_)
        current = next((other.hash for other in list_versions(connection, name) if other.current), None)
        refusal = None if force is not None else _why_not(version, current)
        if refusal is None:
            version = promote_version(connection, name, version.hash, force)
    if json:
        screen.print_json({**_shown(version), "promoted": refusal is None, "refusal": refusal})
    elif refusal is None:
        screen.out.print(f"{name} {version.hash[:SHORT]} decides from now on", markup=False, highlight=False)
    else:
        screen.err.print(f"not promoted: {refusal}", style="red", markup=False, highlight=False)
    raise typer.Exit(0 if refusal is None else 1)


def shown_report(report: dict[str, Any]) -> dict[str, Any]:
    """A report without what only later measurements read."""
    return {name: value for name, value in report.items() if name not in SEEN_BY_PROGRAMS}


def _why_not(version: Version, current: str | None) -> str | None:
    """Why the version is not to be promoted, judged by the report of its training; None: it is."""
    told = f"{version.name} {version.hash[:SHORT]}"
    if version.current:
        return f"{told} decides already."
    verdict, against = version.report.get("verdict", "nothing was measured"), version.report.get("compared_with")
    if against != current:
        now = "nothing" if current is None else current[:SHORT]
        was = "nothing" if against is None else str(against)[:SHORT]
        return f"{told} was compared with {was} in its training, and {now} decides now: train again, or --force REASON."
    return None if version.report.get("better") is True else f"{told} is {verdict}. --force REASON promotes it anyway."


def _shown(version: Version) -> dict[str, Any]:
    return {
        "router": version.name,
        "hash": version.hash,
        "kind": version.kind,
        "size": version.size,
        "trained_at": f"{version.trained_at:%Y-%m-%dT%H:%M:%SZ}",
        "promoted_at": None if version.promoted_at is None else f"{version.promoted_at:%Y-%m-%dT%H:%M:%SZ}",
        "current": version.current,
        "reason": version.reason,
        "report": shown_report(version.report),
    }
