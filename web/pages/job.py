"""One job: what it was asked, what it answered, and all that happened in between."""

from __future__ import annotations

import re

from pydantic import JsonValue
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from mirepoix.errors import NotFound
from mirepoix.ledger.contents import load
from mirepoix.ledger.read import read_jobs, read_trace
from web.house import house_of
from web.pages.forgery import read_form, remember, require_token, token_of
from web.pages.paths import path_of
from web.pages.plain import as_text
from web.pages.render import render
from web.pages.waterfall import LEGEND, TOLD, waterfall

HASH = re.compile(r"[0-9a-f]{64}")


def show(request: Request) -> Response:
    """The job as a waterfall, with its decisions and calls."""
    job = request.path_params["job"]
    with house_of(request).client.database.read() as connection:
        view = read_jobs(connection, [job])[0]
        trace = read_trace(connection, job)
    token = token_of(request)
    page = render(
        request,
        "job.html",
        job=view,
        trace=trace,
        waterfall=waterfall(trace, view.created_at, view.finished_at),
        legend=LEGEND,
        told=TOLD,
        token=token,
        flower=request.state.flower_url,
    )
    remember(page, token)
    return page


async def cancel(request: Request) -> Response:
    """End the job, if it has not ended, and show it again."""
    require_token(request, await read_form(request))
    job = request.path_params["job"]
    handle = await run_in_threadpool(house_of(request).client.get, job)
    await handle.acancel()
    return RedirectResponse(path_of(request, "job", job=job), 303)


def text(request: Request) -> Response:
    """The input or the output of a job, whole. Raises NotFound."""
    job, side = request.path_params["job"], request.path_params["side"]
    with house_of(request).client.database.read() as connection:
        trace = read_trace(connection, job)
    return _as_plain_text(trace.input if side == "input" else trace.output)


def content(request: Request) -> Response:
    """A prompt or an answer, whole. Raises NotFound."""
    hash_ = request.path_params["hash"]
    with house_of(request).client.database.read() as connection:
        found = load(connection, [hash_]) if HASH.fullmatch(hash_) else {}
    if hash_ not in found:
        raise NotFound("this text is not in the ledger; it may have been left out, or pruned.")
    return _as_plain_text(found[hash_])


def _as_plain_text(value: JsonValue) -> Response:
    """As text, whatever it pretends to be; what UTF-8 cannot carry is replaced."""
    whole = as_text(value).encode("utf-8", "replace").decode("utf-8")
    headers = {"Content-Security-Policy": "default-src 'none'; sandbox", "Content-Disposition": "inline"}
    return PlainTextResponse(whole, headers=headers)
