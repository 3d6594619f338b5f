"""`route`: say what would be asked, and why, without asking."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import context, screen
from cli.screen import Json
from db.latencies import recent_latencies
from mirepoix.client import require_input
from mirepoix.errors import LedgerError, NotFound
from mirepoix.paths import walk
from mirepoix.settings import Settings
from mirepoix.spec import Pipeline, Route
from mirepoix.strict import unknown
from pipelines.check import check_pipeline
from pipelines.outline import outline
from pipelines.privacy import say
from pipelines.routers import NEEDS_NO_LATENCY
from pipelines.routers.explain import explain_calls, explain_routes
from pipelines.routers.learned import NO_ROUTERS, Routers
from pipelines.routers.query import Query
from tasks.trained import Trained, names_routers


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(route)


def route(
    pipeline: Annotated[str, typer.Argument(help="A pipeline of mirepoix.yaml.")],
    text: Annotated[str, typer.Argument(help="The input.")],
    task: Annotated[str | None, typer.Option(help="What kind of work it is, for routes by task.")] = None,
    json: Json = False,
) -> None:
    """Say how the pipeline would route this input: what is ruled out, what is chosen, and why; calls no model."""
    require_input(text)
    settings = context.settings()
    config = context.config(settings)
    if pipeline not in config.pipelines:
        raise NotFound(unknown(f"pipeline {pipeline!r}", pipeline, config.pipelines))
    spec = config.pipelines[pipeline]
    check_pipeline(pipeline, spec, config)
    query = Query(text, config, task)
    measured = _latencies(settings) if _asks_for_speed(spec) else {}
    routes = explain_routes(spec, query, measured, _routers(settings, spec) if names_routers(spec) else NO_ROUTERS)
    calls = explain_calls(spec, query)
    if json:
        report = {"pipeline": pipeline, "compiles_to": outline(spec), "sensitive": query.sensitive}
        screen.print_json(report | {"tokens": query.tokens, "routes": routes, "calls": calls})
        return
    screen.out.print(f"{pipeline}: {outline(spec)}", markup=False)
    found = say(query.sensitive) or "nothing sensitive found"
    screen.out.print(f"input: about {query.tokens} tokens, {found}", markup=False)
    for explanation in routes:
        screen.print_table(["of the route", str(explanation["path"])], _rows(explanation))
    for call in calls:
        screen.out.print(f"call {call['path']}: {call['reason']}", markup=False)


def _rows(explanation: dict[str, Any]) -> list[tuple[str, str]]:
    """A line each, and one for each branch that is ruled out."""
    features = explanation.get("features", {})
    rows = [(key, screen.shown(value)) for key, value in explanation.items() if key not in ("path", "features")]
    rows += [(f"not {branch}", "; ".join(why)) for branch, why in features.get("ruled_out", {}).items()]
    return rows + [(key, screen.shown(value)) for key, value in features.items() if key != "ruled_out"]


def _asks_for_speed(spec: Pipeline) -> bool:
    routes = (place.node for place in walk(spec) if isinstance(place.node, Route))
    return any(node.by not in NEEDS_NO_LATENCY for node in routes)


def _latencies(settings: Settings) -> dict[str, float]:
    """As measured, where there is a ledger; a route can be explained without one."""
    try:
        with context.ledger(settings) as connection:
            return recent_latencies(connection)
    except LedgerError:
        return {}


def _routers(settings: Settings, spec: Pipeline) -> Routers:
    """The trained routers that decide now. Raises LedgerError, PipelineError."""
    with context.ledger(settings) as connection:
        return Trained().routers_of(connection, walk(spec))
