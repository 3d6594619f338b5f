"""One form for every error, the one that OpenAI's clients read; nothing of our insides is in it."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from mirepoix.errors import BrokerError, InputError, LedgerError, LimitsUnavailable, NotFound, PipelineError

log = structlog.get_logger("mirepoix")

STATUS_OF: dict[type[Exception], int] = {
    NotFound: 404,
    InputError: 400,
    PipelineError: 400,
    BrokerError: 503,
    LedgerError: 503,
    LimitsUnavailable: 503,
}
NOT_OURS_TO_TELL = {503: "the ledger, the broker or the Redis of the limits cannot be reached; try again later."}
TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


class ErrorBody(BaseModel):
    """What went wrong. `param` is the field that it is about."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorReply(BaseModel):
    """The body of every answer that is an error."""

    error: ErrorBody


AS_JSON: dict[str, Any] = {
    "description": "What went wrong.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorReply"}}},
}
"""How OpenAPI describes an error where the answer itself is no JSON."""


class Refusal(HTTPException):
    """An error with the field it is about, or a code for programs."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, headers)
        self.param = param
        self.code = code


def refuse(
    status: int,
    message: str,
    *,
    param: str | None = None,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The response that says `message`."""
    kind = TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    body = ErrorReply(error=ErrorBody(message=message, type=kind, param=param, code=code))
    return JSONResponse(body.model_dump(), status, headers)


def add_error_pages(app: FastAPI) -> None:
    """Answer every exception in the one form."""
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    for kind in STATUS_OF:
        app.add_exception_handler(kind, _of_ours)
    app.add_exception_handler(Exception, _broken)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, Refusal):
        return refuse(error.status_code, error.detail, param=error.param, code=error.code, headers=error.headers)
    if isinstance(error, HTTPException):
        return refuse(error.status_code, error.detail or HTTPStatus(error.status_code).phrase, headers=error.headers)
    return await _broken(request, error)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    problems: list[dict[str, Any]] = list(error.errors()) if isinstance(error, RequestValidationError) else []
    problem = problems[0] if problems else {"loc": (), "msg": "the request is not valid"}
    where = ".".join(str(part) for part in problem["loc"][1:])
    message = f"{where}: {problem['msg']}" if where else str(problem["msg"])
    return refuse(400, harmless(message), param=harmless(where) or None)


async def _of_ours(request: Request, error: Exception) -> JSONResponse:
    status = next(status for kind, status in STATUS_OF.items() if isinstance(error, kind))
    if status in NOT_OURS_TO_TELL:
        log.warning("request failed", path=request.url.path, reason=type(error).__name__)
    return refuse(status, harmless(NOT_OURS_TO_TELL.get(status, str(error))))


async def _broken(request: Request, error: Exception) -> JSONResponse:
    """Starlette logs the traceback; the caller is told nothing of it."""
    log.error("request broke", path=request.url.path, reason=type(error).__name__)
    return refuse(500, "something broke here; the log of `mirepoix web` has it.")


def harmless(text: str) -> str:
    """`text` without lone surrogates, which no response can carry, and no longer than a person reads."""
    return text.encode("utf-8", "replace").decode("utf-8")[:1_000]
