"""What Anthropic's API says when it does not answer (its errors page, and users' bug reports)."""

from __future__ import annotations

from emulator.anthropic_request import invalid
from emulator.limits import Excess
from emulator.waits import RETRY_AFTER, http_date, whole_seconds
from emulator.wire import ApiError

_NO_MONEY = (
    "You have reached your API usage limits: your organization has crossed its monthly API usage threshold, set "
    "based on your organization's API tier."
)
_LIMITS = "For details, refer to: https://docs.anthropic.com/en/api/rate-limits."
_IN_GENERAL = {
    400: ("invalid_request_error", "Error"),
    401: ("authentication_error", "invalid x-api-key"),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    408: ("timeout_error", "Request timed out."),
    409: ("conflict_error", "The request conflicts with another."),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", f"This request would exceed the rate limit for your organization. {_LIMITS}"),
    500: ("api_error", "Internal server error"),
    502: ("api_error", "Bad gateway"),
    503: ("api_error", "Service unavailable"),
    504: ("timeout_error", "Request timed out."),
    529: ("overloaded_error", "Overloaded"),
}
"""Type and message by status."""


class AnthropicErrors:
    """The errors of the API; a `code` stands in `details.error_code`."""

    def no_key(self) -> ApiError:
        """No API key was sent."""
        return ApiError(401, "authentication_error", "x-api-key header is required")

    def wrong_key(self, key: str) -> ApiError:
        """The API key is not accepted."""
        return ApiError(401, "authentication_error", "invalid x-api-key")

    def too_large(self, limit: int) -> ApiError:
        """The body is larger than `limit` bytes."""
        return ApiError(413, "request_too_large", "Request exceeds the maximum size")

    def not_json(self, reason: str) -> ApiError:
        """The body is not JSON, for this reason."""
        return invalid(f"The request body is not valid JSON: {reason}")

    def unknown_model(self, name: str) -> ApiError:
        """No model goes by that name."""
        return ApiError(404, "not_found_error", f"model: {name}")

    def bad_schema(self, name: str, reason: str) -> ApiError:
        """The schema at `name` in the request cannot be used."""
        return invalid(f"{name}: {reason}")

    def unknown_url(self, status: int, method: str, path: str) -> ApiError:
        """No endpoint is at this path, or none that takes this method."""
        return ApiError(status, "not_found_error", "Not Found")

    def failure(self, status: int, model: str) -> ApiError:
        """The error of that status, for no fault of the request."""
        if status == 404:
            return self.unknown_model(model)
        kind, message = _IN_GENERAL[status]
        return ApiError(status, kind, message)

    def out_of_money(self) -> ApiError:
        """429 that waiting does not mend: without `retry-after`, and with a code of its own."""
        return ApiError(429, "rate_limit_error", _NO_MONEY, code="enforced_spend_limit_reached")

    def over_limit(self, excess: Excess, model: str) -> ApiError:
        """429 until the limit allows for the request."""
        if excess.unit == "concurrency":
            text = "Number of concurrent connections has exceeded your rate limit. Please try again later."
        else:
            of = f"of {excess.limit:,} {excess.unit} per minute"
            text = f"This request would exceed the rate limit for your organization {of}. {_LIMITS}"
        headers = None if excess.wait is None else self.wait_headers(excess.wait)
        return ApiError(429, "rate_limit_error", text, headers=headers)

    def wait_headers(self, seconds: float, *, as_date: bool = False) -> dict[str, str]:
        """Come back in `seconds`, in whole ones, or at a date."""
        return {RETRY_AFTER: http_date(seconds) if as_date else whole_seconds(seconds)}

    def postpone(self, error: ApiError, seconds: float, *, as_date: bool = False) -> None:
        """Let `error` ask the client to come back in `seconds`."""
        error.headers |= self.wait_headers(seconds, as_date=as_date)
