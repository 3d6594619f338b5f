"""`deploy kubernetes`: the house as manifests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import context, screen
from cli.screen import Json
from workers.kubernetes import ScaleBy, write_base

deploy = typer.Typer(help="Write down how the house runs elsewhere.", no_args_is_help=True, rich_markup_mode=None)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(deploy, name="deploy")


@deploy.callback()
def _group() -> None:
    """With one command alone, typer would leave its name out."""


@deploy.command()
def kubernetes(
    to: Annotated[Path, typer.Option(help="The folder to write.")] = Path("deploy/kubernetes/base"),
    image: Annotated[str, typer.Option(help="The image of the Dockerfile, as the cluster names it.")] = (
        "mirepoix:latest"
    ),
    scale_by: Annotated[ScaleBy, typer.Option(help="What KEDA scales workers by.")] = ScaleBy.WORTH,
    json: Json = False,
) -> None:
    """Write a base for kustomize: workers and a scaler per provider, orchestrators, pages, Flower, migration."""
    settings = context.settings()
    config = context.config(settings)
    text = settings.config_path.read_text(encoding="utf-8")
    for path in write_base(config, text, to, image=image, scale_by=scale_by):
        if json:
            screen.print_json({"path": str(path)})
        else:
            screen.out.print(str(path), markup=False, highlight=False)
