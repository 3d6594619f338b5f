"""Why would this go where: what the routes of a pipeline would choose for a text. Nothing is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from db.latencies import recent_latencies
from mirepoix.client import require_input
from mirepoix.errors import InputError, NotFound, PipelineError
from mirepoix.paths import walk
from mirepoix.strict import unknown
from pipelines.check import check_pipeline
from pipelines.outline import outline
from pipelines.privacy import say
from pipelines.routers.explain import explain_calls, explain_routes
from pipelines.routers.query import Query
from tasks.trained import Trained
from web.house import House, house_of
from web.pages.forgery import read_form
from web.pages.render import render


@dataclass(frozen=True, slots=True)
class Explained:
    """What would happen to a text, and why."""

    outline: str
    tokens: int
    sensitive: str
    routes: list[dict[str, Any]]
    calls: list[dict[str, Any]]


async def show(request: Request) -> Response:
    """The form, and what is said to what was filled in."""
    house = house_of(request)
    form = await read_form(request) if request.method == "POST" else {}
    pipeline = form.get("pipeline") or request.query_params.get("pipeline", "")
    filled = {"pipeline": pipeline, "text": form.get("text", ""), "task": form.get("task", "")}
    explained, problem = None, None
    if request.method == "POST":
        try:
            explained = await run_in_threadpool(_explain, house, **filled)
        except (InputError, NotFound, PipelineError) as error:
            problem = str(error)
    names = sorted(house.config.pipelines)
    status = 400 if problem else 200
    return render(request, "router.html", status, filled=filled, names=names, explained=explained, problem=problem)


def _explain(house: House, pipeline: str, text: str, task: str) -> Explained:
    config = house.config
    if pipeline not in config.pipelines:
        raise NotFound(unknown(f"pipeline {pipeline!r}", pipeline, config.pipelines))
    require_input(text)
    spec = config.pipelines[pipeline]
    check_pipeline(pipeline, spec, config)
    query = Query(text, config, task or None)
    with house.client.database.read() as connection:
        measured = recent_latencies(connection)
        routers = Trained().routers_of(connection, walk(spec))
    routes = explain_routes(spec, query, measured, routers)
    return Explained(outline(spec), query.tokens, say(query.sensitive), routes, explain_calls(spec, query))
