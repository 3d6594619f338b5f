"""A job run again against its recorded answers: does every decision come out the same? Nobody is asked."""

from __future__ import annotations

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from mirepoix.config import Config
from mirepoix.errors import InputError, NotFound, PipelineError
from mirepoix.ledger.read import read_trace
from mirepoix.views import TraceView
from pipelines.replay import Outcome, Replay, ReplayedDecision, TrainedFiles, replay_as_now, replay_recorded
from tasks.trained import LedgerFiles
from web.house import House, house_of
from web.pages.forgery import read_form, remember, require_token, token_of
from web.pages.render import render

Way = Callable[[TraceView, Config, TrainedFiles], Replay]
WAYS: dict[str, Way] = {"recorded": replay_recorded, "now": replay_as_now}
WORDS = {
    Outcome.SAME: "same",
    Outcome.FACT: "as recorded",
    Outcome.OTHERWISE: "same, explained otherwise",
    Outcome.CHANGED: "changed",
    Outcome.NEW: "new",
    Outcome.GONE: "gone",
}
MOST_SHOWN = 300
"""Decisions on one page; those that differ come before those that do not."""


async def show(request: Request) -> Response:
    """The decisions, each beside the recorded one; what differs first."""
    form = await read_form(request)
    require_token(request, form)
    job, way = request.path_params["job"], form.get("pipeline", "recorded")
    if way not in WAYS:
        raise HTTPException(400, f"pipeline takes one of {', '.join(WAYS)}.")
    found, problem = await run_in_threadpool(_replay, house_of(request), job, WAYS[way])
    token = token_of(request)
    page = render(
        request,
        "replay.html",
        400 if problem else 200,
        job=job,
        way=way,
        found=found,
        shown=sorted(found.decisions, key=_is_same)[:MOST_SHOWN] if found else (),
        same=sum(map(_is_same, found.decisions)) if found else 0,
        problem=problem,
        words=WORDS,
        token=token,
    )
    remember(page, token)
    return page


def _replay(house: House, job: str, way: Way) -> tuple[Replay | None, str | None]:
    """The replay, or why there is none. Raises NotFound where there is no such job."""
    with house.client.database.read() as connection:
        trace = read_trace(connection, job)
        try:
            return way(trace, house.config, LedgerFiles(connection)), None
        except (InputError, NotFound, PipelineError) as error:
            return None, str(error)


def _is_same(one: ReplayedDecision) -> bool:
    return one.outcome in (Outcome.SAME, Outcome.FACT)
