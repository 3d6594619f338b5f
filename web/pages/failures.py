"""Errors told to people, in a page; programs are told by `web.errors`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import cast

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from mirepoix.errors import LedgerError, NotFound
from web.pages.render import render

log = structlog.get_logger("mirepoix")

Sync = Callable[[Request], Response]
Async = Callable[[Request], Awaitable[Response]]


def told_in_a_page(endpoint: Sync | Async) -> Async:
    """`endpoint`, with a page for what is not found, not allowed, or cannot be read at this moment."""

    async def answer(request: Request) -> Response:
        try:
            if iscoroutinefunction(endpoint):
                return await cast(Async, endpoint)(request)
            return await run_in_threadpool(cast(Sync, endpoint), request)
        except NotFound as error:
            return _page(request, 404, str(error))
        except HTTPException as error:
            return _page(request, error.status_code, error.detail)
        except LedgerError as error:
            log.warning("page failed", path=request.url.path, reason=type(error).__name__)
            return _page(request, 503, "the ledger cannot be read; the log of `mirepoix web` and `doctor` say more.")

    return answer


def _page(request: Request, status: int, message: str) -> Response:
    return render(request, "error.html", status, status=status, message=message)
