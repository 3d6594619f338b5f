"""`keys`: who may come in through the HTTP front door."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import context, screen
from cli.screen import Json
from db.keys import Key, Scope, create_key, list_keys, revoke_key
from mirepoix.errors import InputError
from mirepoix.strict import unknown

keys = typer.Typer(help="Make, list and revoke the keys to the HTTP API.", no_args_is_help=True, rich_markup_mode=None)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(keys, name="keys")


@keys.command()
def create(
    tenant: Annotated[str, typer.Option(help="Whose jobs it submits and sees.")],
    scope: Annotated[str, typer.Option(help="What it may do, with commas: submit, read, admin.")] = "submit,read",
    rpm: Annotated[int | None, typer.Option(min=1, help="Requests it may make in a minute [no limit].")] = None,
    json: Json = False,
) -> None:
    """Make a key and print it, this once: only its hash is kept. With `admin` it is good for every tenant."""
    scopes = [_scope(name.strip()) for name in scope.split(",")]
    with context.client() as client, client.database.write() as connection:
        key, text = create_key(connection, tenant, scopes, rpm)
    if json:
        screen.print_json({**_shown(key), "key": text})
    else:
        screen.out.print(text, markup=False, highlight=False, soft_wrap=True)


@keys.command("list")
def list_(
    tenant: Annotated[str | None, typer.Option(help="Only the keys of this tenant.")] = None,
    json: Json = False,
) -> None:
    """List the keys; their secrets are not known."""
    with context.client() as client, client.database.read() as connection:
        found = [_shown(key) for key in list_keys(connection, tenant)]
    if json:
        for key in found:
            screen.print_json(key)
        return
    rows = [tuple(str(value if value is not None else "-") for value in key.values()) for key in found]
    screen.print_table(["id", "tenant", "scopes", "rpm", "created", "revoked"], rows)


@keys.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID", help="The id of a key.")],
    json: Json = False,
) -> None:
    """Close for a key from now on. Exits 1 when it was revoked before."""
    with context.client() as client, client.database.write() as connection:
        done = revoke_key(connection, key)
    if json:
        screen.print_json({"id": key, "revoked": done})
    else:
        screen.out.print(f"{key} {'revoked' if done else 'was revoked before'}", markup=False, highlight=False)
    raise typer.Exit(0 if done else 1)


def _scope(name: str) -> Scope:
    if name not in list(Scope):
        raise InputError(unknown(f"scope {name!r}", name, list(Scope)))
    return Scope(name)


def _shown(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "tenant": key.tenant,
        "scopes": ",".join(sorted(key.scopes)),
        "rpm": key.rpm,
        "created_at": f"{key.created_at:%Y-%m-%dT%H:%M:%SZ}",
        "revoked_at": None if key.revoked_at is None else f"{key.revoked_at:%Y-%m-%dT%H:%M:%SZ}",
    }
