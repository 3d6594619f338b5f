"""What went wrong at a provider, in Mirepoix's words (docs/providers.md has the table)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from mirepoix.errors import ProviderError
from mirepoix.states import ErrorKind
from tasks.providers.waits import asked_wait

M = TypeVar("M", bound=BaseModel)

QUOTA_CODES = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "enforced_spend_limit_reached",
        "billing_error",
    }
)
"""Error codes that waiting does not mend (OpenAI error reference, Oct 2026; Anthropic API errors page)."""
SPENT = "reached your specified"
"""Anthropic says it in the text alone: "You have reached your specified API usage limits" comes as a plain 400."""
A_DAY = "perday"
"""In the name of a Gemini quota (`GenerateRequestsPerDayPerProjectPerModel`): it is full again tomorrow."""
STATUS_OF_CODE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "slow_down": 429,
    "api_error": 500,
    "server_error": 500,
    "server_is_overloaded": 503,
    "timeout_error": 504,
    "overloaded_error": 529,
    "INVALID_ARGUMENT": 400,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""The status that a code comes with, for errors after a 200: in a body (OpenRouter) or in the middle of a stream."""
KIND_OF_CODE = {
    "content_filter": ErrorKind.REFUSED,
    "model_not_found": ErrorKind.NOT_FOUND,
    "API_KEY_INVALID": ErrorKind.AUTH,
}
"""Codes that say more than the 400 they come with: Azure's prompt filter, OpenAI's responses, Gemini's wrong key."""
RETRYABLE = (ErrorKind.RATE_LIMITED, ErrorKind.OVERLOADED)
GROQ_CAPACITY = 498
"""Groq's flex tier has no room at the moment (console.groq.com/docs/errors)."""


def refusal(text: bytes, status: int, headers: httpx.Headers) -> ProviderError:
    """What an answer with an error status means."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    return _trouble(data, status, headers, f"status {status}")


def error_in_answer(data: dict[str, Any], status: int, headers: httpx.Headers) -> ProviderError | None:
    """What the error in a body or an event means that came with a 2xx `status`; None where there is none."""
    if not data.get("error"):
        return None
    return _trouble(data, status, headers, f"an error came with status {status}")


def bad_answer(message: str, status: int | None) -> ProviderError:
    """An answer that breaks the wire format; the same question may well be answered properly the next time."""
    return ProviderError(message, kind=ErrorKind.BAD_ANSWER, retryable=True, status=status)


def validated(form: type[M], data: dict[str, Any] | None, status: int | None) -> M:
    """`data` as a `form` of the wire. Raises ProviderError that names the place, never the content."""
    try:
        return form.model_validate(data or {})
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise bad_answer(f"the answer breaks the wire format: {where}: {problem['msg']}", status) from error


def parse_json(text: bytes, status: int | None) -> dict[str, Any]:
    """The JSON object that is `text`. Raises ProviderError, for one without end too."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise bad_answer("the answer is not JSON", status) from error
    if isinstance(data, list) and len(data) == 1 and isinstance(data[0], dict) and "error" in data[0]:
        data = data[0]
    if not isinstance(data, dict):
        raise bad_answer("the answer is not a JSON object", status)
    return data


def _trouble(data: object, status: int, headers: httpx.Headers, what: str) -> ProviderError:
    error = _error_of(data)
    codes = frozenset(_codes(error))
    message = error if isinstance(error, str) else error.get("message", "") if isinstance(error, dict) else ""
    kind = _kind_of(status, codes, str(message))
    return ProviderError(
        f"{what}: {str(message)[:500] or 'no reason given'}",
        kind=kind,
        retryable=_retryable(kind, status, headers),
        wait=asked_wait(headers, error) if kind in RETRYABLE else None,
        status=status,
        request_id=headers.get("x-request-id") or headers.get("request-id"),
    )


def _kind_of(status: int, codes: frozenset[str], message: str) -> ErrorKind:
    if codes & QUOTA_CODES or status == 402 or (status in (400, 429) and SPENT in message):
        return ErrorKind.QUOTA
    if any(A_DAY in code.lower() for code in codes):
        return ErrorKind.QUOTA
    for code in sorted(codes & KIND_OF_CODE.keys()):
        return KIND_OF_CODE[code]
    if status < 300:
        return _kind_after_all(codes, message)
    if status == 429:
        return ErrorKind.RATE_LIMITED
    if status in (408, 409, GROQ_CAPACITY) or status >= 500:
        return ErrorKind.OVERLOADED
    if status in (401, 403):
        return ErrorKind.AUTH
    return ErrorKind.NOT_FOUND if status == 404 else ErrorKind.BAD_REQUEST


def _kind_after_all(codes: frozenset[str], message: str) -> ErrorKind:
    """Of an error that came with a 2xx: its code tells the status that it should have had."""
    statuses = {int(code) for code in codes if code.isdecimal() and len(code) == 3}
    statuses |= {STATUS_OF_CODE[code] for code in codes & STATUS_OF_CODE.keys()}
    worse = sorted(status for status in statuses if status >= 400)
    return _kind_of(worse[0], frozenset(), message) if worse else ErrorKind.BAD_ANSWER


def _retryable(kind: ErrorKind, status: int, headers: httpx.Headers) -> bool:
    """`x-should-retry` is what OpenAI's and Anthropic's servers tell their own clients."""
    if kind is ErrorKind.BAD_ANSWER:
        return True
    said: str | None = headers.get("x-should-retry") if status >= 400 else None
    if kind is ErrorKind.QUOTA or said not in ("true", "false"):
        return kind in RETRYABLE
    return said == "true"


def _error_of(data: object) -> object:
    """The error in any of the providers' shapes; Gemini may wrap it in a list of one."""
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    if not isinstance(data, dict):
        return None
    error = data.get("error")
    if isinstance(error, str) and not data.get("message"):
        return error
    return error if isinstance(error, dict) else data


def _codes(error: object) -> Iterator[str]:
    """Everything that looks like a code."""
    if not isinstance(error, dict):
        return
    yield from _texts(error, ("code", "type", "status", "error_code"))
    details = error.get("details")
    for detail in details if isinstance(details, list) else [details]:
        if isinstance(detail, dict):
            yield from _texts(detail, ("code", "type", "error_code", "reason"))
            violations = detail.get("violations")
            for violation in violations if isinstance(violations, list) else []:
                yield from _texts(violation, ("quotaId",))
    inner = error.get("innererror")
    yield from _texts(inner, ("code",))
    metadata = error.get("metadata")
    yield from _texts(metadata, ("error_type",))


def _texts(source: object, keys: tuple[str, ...]) -> Iterator[str]:
    if isinstance(source, dict):
        yield from (str(source[key]) for key in keys if source.get(key))
