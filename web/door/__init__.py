"""The front door for programs: jobs over HTTP, and the API that OpenAI's clients speak."""

from __future__ import annotations

from fastapi import FastAPI

from web.door import autoscale, bulk, chat, events, jobs, models

ROUTERS = (jobs.router, bulk.router, events.router, models.router, chat.router, autoscale.router)


def add_door(app: FastAPI) -> None:
    """Put the routes of the door into `app`."""
    for router in ROUTERS:
        app.include_router(router)
