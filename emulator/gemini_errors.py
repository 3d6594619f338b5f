"""What Google's API says when it does not answer, in the words that users quote in their bug reports."""

from __future__ import annotations

from dataclasses import dataclass

from emulator.gemini_proto import INVALID_ARGUMENT, invalid
from emulator.limits import Excess
from emulator.waits import RETRY_AFTER, http_date, whole_seconds
from emulator.wire import ApiError, Json

RPC = "type.googleapis.com/google.rpc"
SERVICE = "generativelanguage.googleapis.com"
LIMITS_PAGE = "https://ai.google.dev/gemini-api/docs/rate-limits"
PER_DAY = 250
UNTIL_TOMORROW = 39.0
"""What the API asks to wait for a quota of the day is seconds all the same (gke-labs/gemini-for-kubernetes, 1215)."""

_NO_KEY = (
    "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other "
    "form of API consumer identity to call this API."
)
_WRONG_KEY = "API key not valid. Please pass a valid API key."
_NO_QUOTA = (
    "You exceeded your current quota, please check your plan and billing details. For more information on this error, "
    f"head to: {LIMITS_PAGE}. To monitor your current usage, head to: https://ai.dev/rate-limit. "
)
_OUR_FAULT = (
    "An internal error has occurred. Please retry or report in "
    "https://developers.generativeai.google/guide/troubleshooting"
)
_BUSY = (
    "This model is currently experiencing high demand. Spikes in demand are usually temporary. Please try again later."
)
_NO_CREDENTIALS = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
_IN_GENERAL = {
    400: (INVALID_ARGUMENT, "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", _NO_CREDENTIALS),
    403: ("PERMISSION_DENIED", "The caller does not have permission"),
    408: ("DEADLINE_EXCEEDED", "The request timed out."),
    409: ("ABORTED", "The operation was aborted."),
    413: (INVALID_ARGUMENT, "Request payload size exceeds the limit."),
    429: ("RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
    500: ("INTERNAL", _OUR_FAULT),
    502: ("UNAVAILABLE", "Bad gateway."),  # from Google's front end; the API itself has no 502
    503: ("UNAVAILABLE", _BUSY),
    504: ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
    529: ("UNAVAILABLE", _BUSY),
}
"""Status and message by HTTP status."""


@dataclass(frozen=True, slots=True)
class Quota:
    """A quota: its metric, its id, and how many of it there are."""

    metric: str
    id: str
    limit: int


_QUOTAS = {
    "requests": ("generate_requests_per_model", "GenerateRequestsPerMinutePerProjectPerModel"),
    "tokens": ("generate_content_input_token_count", "GenerateContentInputTokensPerModelPerMinute"),
}
_DAY = Quota("generate_requests_per_model_per_day", "GenerateRequestsPerDayPerProjectPerModel", PER_DAY)


class GeminiErrors:
    """The errors of the API, for one request to `method` of a `model`."""

    version = "v1beta"
    model = ""
    method = "generateContent"

    def no_key(self) -> ApiError:
        """No API key was sent."""
        return ApiError(403, "PERMISSION_DENIED", _NO_KEY)

    def wrong_key(self, key: str) -> ApiError:
        """The API key is not accepted: for this API, an invalid argument."""
        info = {
            "@type": f"{RPC}.ErrorInfo",
            "reason": "API_KEY_INVALID",
            "domain": "googleapis.com",
            "metadata": {"service": SERVICE},
        }
        said = {"@type": f"{RPC}.LocalizedMessage", "locale": "en-US", "message": _WRONG_KEY}
        return ApiError(400, INVALID_ARGUMENT, _WRONG_KEY, details=(info, said))

    def too_large(self, limit: int) -> ApiError:
        """The body is larger than `limit` bytes: for this API, an invalid argument."""
        return invalid(f"Request payload size exceeds the limit: {limit} bytes.")

    def not_json(self, reason: str) -> ApiError:
        """The body is not JSON; the API tells where, but not in these words."""
        return invalid(f"Invalid JSON payload received. {reason}")

    def unknown_model(self, name: str) -> ApiError:
        """No model goes by that name."""
        text = (
            f"models/{name} is not found for API version {self.version}, or is not supported for {self.method}. "
            "Call ListModels to see the list of available models and their supported methods."
        )
        return ApiError(404, "NOT_FOUND", text)

    def bad_schema(self, name: str, reason: str) -> ApiError:
        """The schema at `name` in the request cannot be used."""
        return invalid(f"* GenerateContentRequest.{name}: {reason}\n")

    def unknown_url(self, status: int, method: str, path: str) -> ApiError:
        """No endpoint is at this path, or none that takes this method."""
        return ApiError(status, "NOT_FOUND", f"The requested URL {path} was not found on this server for {method}.")

    def failure(self, status: int, model: str) -> ApiError:
        """The error of that status, for no fault of the request."""
        if status == 404:
            return self.unknown_model(model)
        kind, message = _IN_GENERAL[status]
        return ApiError(status, kind, message, code=503 if status == 529 else None)  # the API itself has no 529

    def out_of_money(self) -> ApiError:
        """429 for the rest of the day; that it asks to be tried again in seconds does not make it so."""
        error = _exhausted(_DAY, self.model, UNTIL_TOMORROW)
        self.postpone(error, UNTIL_TOMORROW)
        return error

    def over_limit(self, excess: Excess, model: str) -> ApiError:
        """429 until the limit allows for the request."""
        if excess.unit not in _QUOTAS:
            return self.failure(429, model)
        error = _exhausted(Quota(*_QUOTAS[excess.unit], excess.limit), model, excess.wait)
        if excess.wait is not None:
            self.postpone(error, excess.wait)
        return error

    def wait_headers(self, seconds: float, *, as_date: bool = False) -> dict[str, str]:
        """What a proxy would add; the API itself asks in the bodies of its errors."""
        return {RETRY_AFTER: http_date(seconds) if as_date else whole_seconds(seconds)}

    def postpone(self, error: ApiError, seconds: float, *, as_date: bool = False) -> None:
        """Let `error` ask the client to come back in `seconds`: in its body, as a duration and never as a date."""
        error.details.append({"@type": f"{RPC}.RetryInfo", "retryDelay": f"{whole_seconds(seconds)}s"})


def _exhausted(quota: Quota, model: str, wait: float | None) -> ApiError:
    metric = f"{SERVICE}/{quota.metric}"
    text = f"{_NO_QUOTA}\n* Quota exceeded for metric: {metric}, limit: {quota.limit}, model: {model}"
    text += "" if wait is None else f"\nPlease retry in {wait:g}s."
    violation: Json = {
        "quotaMetric": metric,
        "quotaId": quota.id,
        "quotaDimensions": {"location": "global", "model": model},
        "quotaValue": str(quota.limit),
    }
    page = {"description": "Learn more about Gemini API quotas", "url": LIMITS_PAGE}
    details = (
        {"@type": f"{RPC}.Help", "links": [page]},
        {"@type": f"{RPC}.QuotaFailure", "violations": [violation]},
    )
    return ApiError(429, "RESOURCE_EXHAUSTED", text, details=details)
