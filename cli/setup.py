"""`init`, `check`, `migrate`, `doctor`: get ready, and find out what is wrong."""

from __future__ import annotations

import socket
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from cli import context, screen
from cli.screen import Json
from db.migrate import migrate as run_migrations
from db.quarantine import Quarantine, read_quarantine
from db.workers import read_alive
from mirepoix.config import Config
from mirepoix.errors import BrokerError, ConfigError, LedgerError
from mirepoix.ledger.engine import Database
from mirepoix.publisher import Publisher
from mirepoix.settings import Settings, masked
from mirepoix.web_address import running_web
from pipelines.check import check_config
from pipelines.outline import outline

FLOWER_URL = "http://127.0.0.1:5555"
QUARANTINED_SHOWN = 5


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (init, check, migrate, doctor):
        app.command()(command)


def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("mirepoix.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    json: Json = False,
) -> None:
    """Write a mirepoix.yaml with five working pipelines."""
    if path.exists() and not force:
        raise ConfigError(f"{path} is there already; --force writes over it.")
    path.write_text(template())
    if json:
        screen.print_json({"path": str(path)})
    else:
        screen.out.print(f"{path} written. Next: `mirepoix check`, then `mirepoix up --emulate`.")


def template() -> str:
    """The text of the configuration that `init` writes."""
    return (files("cli") / "template.yaml").read_text(encoding="utf-8")


def check(
    emulate: Annotated[
        bool, typer.Option("--emulate", help="Check for use with the emulator: no API keys needed.")
    ] = False,
    json: Json = False,
) -> None:
    """Check the configuration: names, templates, prices, API keys; say what each pipeline compiles to."""
    settings = context.settings()
    config = context.config(settings)
    problems = find_problems(config, emulated=emulate or settings.emulator_url is not None)
    compiled = {name: outline(spec) for name, spec in config.pipelines.items()}
    if json:
        screen.print_json({"ok": not problems, "problems": problems, "pipelines": compiled})
    else:
        for name, shape in compiled.items():
            screen.out.print(f"{name}: {shape}", markup=False)
        for problem in problems:
            screen.err.print(f"error: {problem}", style="red", markup=False)
    raise typer.Exit(1 if problems else 0)


def find_problems(config: Config, *, emulated: bool) -> list[str]:
    """All that keeps `config` from working."""
    from tasks.providers import check_provider

    problems = check_config(config)
    for name in config.providers:
        problems += check_provider(name, config, emulated=emulated)
    return problems


def migrate(json: Json = False) -> None:
    """Bring the database to the tables of this version."""
    settings = context.settings()
    revision = run_migrations(Database(settings.database_url))
    if json:
        screen.print_json({"database_url": masked(settings.database_url), "revision": revision})
    else:
        screen.out.print(f"{masked(settings.database_url)} is at revision {revision}.", markup=False)


def doctor(
    this_host: Annotated[bool, typer.Option("--this-host", help="Only: does a worker live on this host?")] = False,
    json: Json = False,
) -> None:
    """Say where everything is and what is wrong; exits 1 when something is."""
    settings = context.settings()
    if this_host:
        raise typer.Exit(0 if _lives_here(settings) else 1)
    workers, problems = _ledger_state(settings)
    quarantine = _quarantine(settings)
    problems += _broker_problems(settings) + _config_problems(settings)
    from workers.stack import responds

    flower = FLOWER_URL if responds(f"{FLOWER_URL}/healthcheck") else None
    report = {
        "broker_url": masked(settings.broker_url),
        "database_url": masked(settings.database_url),
        "flower_url": flower,
        "web_url": running_web(settings.home),
        "workers": workers,
        "quarantine": asdict(quarantine) if quarantine is not None else None,
        "problems": problems,
    }
    if json:
        screen.print_json(report)
    else:
        shown = report | {"quarantine": [] if quarantine is None else _quarantine_lines(quarantine)}
        rows = [
            (key, "\n".join(value) if isinstance(value, list) else str(value or "-")) for key, value in shown.items()
        ]
        screen.print_table(["what", "found"], rows)
    raise typer.Exit(1 if problems else 0)


def _lives_here(settings: Settings) -> bool:
    here = f"@{socket.gethostname()}."
    return any(here in worker for worker in _ledger_state(settings)[0])


def _ledger_state(settings: Settings) -> tuple[list[str], list[str]]:
    try:
        with context.ledger(settings) as connection:
            workers = read_alive(connection)
    except LedgerError as error:
        return [], [str(error)]
    return workers, [] if workers else ["no worker is alive. Start some: `mirepoix up`, or `mirepoix worker PROVIDER`."]


def _quarantine(settings: Settings) -> Quarantine | None:
    """What the workers could make no task of; None when the ledger does not say."""
    try:
        with Database(settings.database_url).read() as connection:
            return read_quarantine(connection, QUARANTINED_SHOWN)
    except LedgerError:
        return None


def _quarantine_lines(quarantine: Quarantine) -> list[str]:
    lines = [
        f"{kept.last_at:%Y-%m-%d %H:%M:%S} UTC, {kept.queue}: {kept.reason} ({kept.size} bytes, {kept.count} times)"
        for kept in quarantine.newest
    ]
    more = quarantine.messages - len(lines)
    return [*lines, *([f"and {more} more"] if more else [])]


def _broker_problems(settings: Settings) -> list[str]:
    try:
        Publisher(settings).require_broker()
    except BrokerError as error:
        return [str(error)]
    return []


def _config_problems(settings: Settings) -> list[str]:
    try:
        config = context.config(settings)
    except ConfigError as error:
        return str(error).splitlines()
    return find_problems(config, emulated=True)
