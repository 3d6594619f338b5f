"""The web application: the front door and the pages, behind the same bounds, headers and errors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import JSONResponse

from mirepoix import __version__
from mirepoix.client import Client
from mirepoix.config import Config
from mirepoix.settings import Settings
from web import pages
from web.bounds import Bounds
from web.door import add_door
from web.errors import add_error_pages
from web.headers import SecurityHeaders
from web.house import House


def create_app(settings: Settings, config: Config, *, password: str | None = None) -> Starlette:
    """Everything that `mirepoix web` serves. `password` is what the pages ask for (HTTP Basic); None: no question.

    Routes find their `House` by `house_of(request)`.
    """
    app = FastAPI(
        title="Mirepoix",
        version=__version__,
        openapi_url="/openapi.json",
        docs_url=None,
        redirect_slashes=False,
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.house = House(settings, config, Client(settings, config), password)
    app.add_api_route("/healthz", health, include_in_schema=False)
    add_door(app)
    app.router.routes.extend(pages.routes())
    add_error_pages(app)
    app.add_middleware(Bounds)
    app.add_middleware(SecurityHeaders)
    return app


async def health() -> JSONResponse:
    """Say who answers here."""
    return JSONResponse({"mirepoix": __version__})


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    yield
    app.state.house.client.close()
