"""The addresses of the pages."""

from __future__ import annotations

from pathlib import Path

from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from web.pages import costs, job, jobs, overview, pipelines, playground, replay
from web.pages.access import Access, Guard
from web.pages.failures import Async, Sync, told_in_a_page
from web.pages.paths import PATHS

STATIC = Path(__file__).parent / "static"


def routes(access: Access | None = None) -> list[BaseRoute]:
    """All pages, each behind the guard, for an app whose state has the `house`.

    `access` says which proxies are trusted; left out, the environment does.
    """
    guard = [Middleware(Guard, access=access or Access.from_env())]
    pages: list[tuple[str, Sync | Async, list[str]]] = [
        ("overview", overview.show, ["GET"]),
        ("live", overview.live, ["GET"]),
        ("jobs", jobs.show, ["GET"]),
        ("job", job.show, ["GET"]),
        ("job_text", job.text, ["GET"]),
        ("cancel", job.cancel, ["POST"]),
        ("replay", replay.show, ["POST"]),
        ("content", job.content, ["GET"]),
        ("pipelines", pipelines.index, ["GET"]),
        ("pipeline", pipelines.show, ["GET"]),
        ("costs", costs.show, ["GET"]),
        ("router", playground.show, ["GET", "POST"]),
    ]
    static = PATHS["static"].removesuffix("/{path}")
    return [
        *(Route(PATHS[name], told_in_a_page(page), methods=methods, middleware=guard) for name, page, methods in pages),
        Mount(static, app=StaticFiles(directory=STATIC), middleware=guard),
    ]
