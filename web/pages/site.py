"""The addresses of the pages."""

from __future__ import annotations

from pathlib import Path

from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from web.pages import costs, job, jobs, overview, pipelines, playground
from web.pages.access import Access, Guard
from web.pages.failures import told_in_a_page
from web.pages.render import NAME

STATIC = Path(__file__).parent / "static"


def routes(access: Access | None = None) -> list[BaseRoute]:
    """All pages, each behind the guard, for an app whose state has the `house`.

    `access` says which proxies are trusted; left out, the environment does.
    """
    guard = [Middleware(Guard, access=access or Access.from_env())]
    pages = [
        Route("/", overview.show, name="overview"),
        Route("/live", overview.live, name="live"),
        Route("/jobs", jobs.show, name="jobs"),
        Route("/jobs/{job}", job.show, name="job"),
        Route("/jobs/{job}/text/{side}", job.text, name="job_text"),
        Route("/jobs/{job}/cancel", job.cancel, name="cancel", methods=["POST"]),
        Route("/contents/{hash}", job.content, name="content"),
        Route("/pipelines", pipelines.index, name="pipelines"),
        Route("/pipelines/{pipeline}", pipelines.show, name="pipeline"),
        Route("/costs", costs.show, name="costs"),
        Route("/router", playground.show, name="router", methods=["GET", "POST"]),
    ]
    return [
        *(
            Route(
                page.path, told_in_a_page(page.endpoint), name=NAME + page.name, methods=page.methods, middleware=guard
            )
            for page in pages
        ),
        Mount("/static", app=StaticFiles(directory=STATIC), name=NAME + "static", middleware=guard),
    ]
