"""The configured pipelines, drawn."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from mirepoix.errors import NotFound
from mirepoix.strict import unknown
from pipelines.outline import outline
from web.house import house_of
from web.pages.graph import draw
from web.pages.render import render


def index(request: Request) -> Response:
    """All of them, in a line each."""
    config = house_of(request).config
    outlines = {name: outline(spec) for name, spec in config.pipelines.items()}
    return render(request, "pipelines.html", outlines=outlines)


def show(request: Request) -> Response:
    """One, as a graph and as what it compiles to. Raises NotFound."""
    config, name = house_of(request).config, request.path_params["pipeline"]
    if name not in config.pipelines:
        raise NotFound(unknown(f"pipeline {name!r}", name, config.pipelines))
    spec = config.pipelines[name]
    return render(request, "pipeline.html", name=name, drawing=draw(spec, config), outline=outline(spec))
