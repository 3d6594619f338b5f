"""What OpenAI's API says when it does not answer, in the words that users quote in their bug reports."""

from __future__ import annotations

from emulator.limits import Excess
from emulator.openai_request import INVALID_REQUEST
from emulator.waits import RETRY_AFTER, go_duration, http_date, whole_seconds
from emulator.wire import ApiError

_NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer "
    "auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank username) if you're "
    "accessing the API from your browser and are prompted for a username and password. You can obtain an API "
    "key from https://platform.openai.com/account/api-keys."
)
_NOT_JSON = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP "
    "library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON. If you "
    "have trouble figuring out how to fix this, please contact us through our help center at "
    "help.openai.com.)"
)
_NO_MONEY = (
    "You exceeded your current quota, please check your plan and billing details. For more information on this "
    "error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors."
)
_OUR_FAULT = (
    "The server had an error while processing your request. Sorry about that! You can retry your request, or "
    "contact us through our help center at help.openai.com if the error persists."
)
_OVERLOADED = ("service_unavailable_error", "Our servers are currently overloaded. Please try again later.")
_IN_GENERAL: dict[int, tuple[str, str, str | int | None]] = {
    400: (INVALID_REQUEST, "We could not process your request.", None),
    401: (INVALID_REQUEST, "Incorrect API key provided.", "invalid_api_key"),
    403: ("request_forbidden", "Country, region, or territory not supported", "unsupported_country_region_territory"),
    408: ("server_error", "Request timed out.", None),
    409: (INVALID_REQUEST, "The resource was updated by another request. Please try again.", None),
    413: (INVALID_REQUEST, "The request is too large.", None),
    429: ("requests", "Rate limit reached for requests. Please try again later.", "rate_limit_exceeded"),
    500: ("server_error", _OUR_FAULT, None),
    502: ("cf_bad_gateway", "Bad gateway.", 502),  # 502 and 504 come from Cloudflare, whose code is a number
    503: (*_OVERLOADED, "server_is_overloaded"),
    504: ("cf_gateway_timeout", "Gateway timeout.", 504),
    529: (*_OVERLOADED, "server_is_overloaded"),  # the API itself has no 529
}
"""Type, message and code by status."""


class OpenAIErrors:
    """The errors of the API."""

    def no_key(self) -> ApiError:
        """No API key was sent."""
        return ApiError(401, INVALID_REQUEST, _NO_KEY)

    def wrong_key(self, key: str) -> ApiError:
        """The API key is not accepted; all but its ends is masked."""
        shown = f"{key[:8]}{'*' * (len(key) - 12)}{key[-4:]}" if len(key) > 12 else "*" * len(key)
        text = f"Incorrect API key provided: {shown}. You can find your API key at https://platform.openai.com/account/api-keys."
        return ApiError(401, INVALID_REQUEST, text, code="invalid_api_key")

    def too_large(self, limit: int) -> ApiError:
        """The body is larger than `limit` bytes."""
        return ApiError(413, INVALID_REQUEST, f"Maximum content size limit ({limit}) exceeded.")

    def not_json(self, reason: str) -> ApiError:
        """The body is not JSON; the API does not say why."""
        return ApiError(400, INVALID_REQUEST, _NOT_JSON)

    def unknown_model(self, name: str) -> ApiError:
        """No model goes by that name."""
        text = f"The model `{name}` does not exist or you do not have access to it."
        return ApiError(404, INVALID_REQUEST, text, code="model_not_found")

    def bad_schema(self, name: str, reason: str) -> ApiError:
        """The schema called `name` (`response_format 'reply'`, `function 'search'`) cannot be used."""
        text = f"Invalid schema for {name}: {reason}"
        if name.startswith("function"):
            return ApiError(400, INVALID_REQUEST, text, param="tools", code="invalid_function_parameters")
        return ApiError(400, INVALID_REQUEST, text, param="response_format")

    def unknown_url(self, status: int, method: str, path: str) -> ApiError:
        """No endpoint is at this path, or none that takes this method."""
        return ApiError(status, INVALID_REQUEST, f"Invalid URL ({method} {path})")

    def failure(self, status: int, model: str) -> ApiError:
        """The error of that status, for no fault of the request."""
        if status == 404:
            return self.unknown_model(model)
        kind, message, code = _IN_GENERAL[status]
        return ApiError(status, kind, message, code=code)

    def out_of_money(self) -> ApiError:
        """429 that waiting does not mend."""
        return ApiError(429, "insufficient_quota", _NO_MONEY, code="insufficient_quota")

    def over_limit(self, excess: Excess, model: str) -> ApiError:
        """429 until the limit allows for the request."""
        kind = "tokens" if excess.unit == "tokens" else "requests"
        per_minute = {"requests": "requests per min (RPM)", "tokens": "tokens per min (TPM)"}
        on = f"on {per_minute.get(excess.unit, 'concurrent requests')}: Limit {excess.limit}"
        if excess.requested > excess.limit:
            text = f"Request too large for {model} {on}, Requested {excess.requested}."
        else:
            text = f"Rate limit reached for {model} {on}, Used {excess.used}, Requested {excess.requested}."
        if excess.wait is None:
            return ApiError(429, kind, text, code="rate_limit_exceeded")
        text += f" Please try again in {go_duration(excess.wait)}."
        return ApiError(429, kind, text, code="rate_limit_exceeded", headers=self.wait_headers(excess.wait))

    def wait_headers(self, seconds: float, *, as_date: bool = False) -> dict[str, str]:
        """Come back in `seconds`: to the millisecond, and for others in whole seconds; or at a date."""
        if as_date:
            return {RETRY_AFTER: http_date(seconds)}
        return {RETRY_AFTER: whole_seconds(seconds), "retry-after-ms": whole_seconds(seconds * 1000)}

    def postpone(self, error: ApiError, seconds: float, *, as_date: bool = False) -> None:
        """Let `error` ask the client to come back in `seconds`."""
        error.headers |= self.wait_headers(seconds, as_date=as_date)
