"""Google Gemini: the wire format of `models/M:generateContent`, as the official SDK's types and live probes show it.

The API takes the model, the method and sometimes the key from a request's address, so there is one of these for each
request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from emulator.gemini_answer import chunks, response
from emulator.gemini_asks import to_ask
from emulator.gemini_errors import GeminiErrors
from emulator.gemini_proto import parse_message
from emulator.gemini_request import GenerateContentRequest
from emulator.ids import new_id
from emulator.json_array import json_array
from emulator.limits import Level
from emulator.profiles import WireApi
from emulator.wire import ApiError, Ask, Event, Json, Reply, Streamed

Form = Literal["whole", "events", "array"]


@dataclass(frozen=True, slots=True)
class Address:
    """What a request's address tells: the API's `version`, the model and its method, a key, the form of the answer."""

    version: str = "v1beta"
    model: str = ""
    method: str = "generateContent"
    key: str | None = None
    form: Form = "whole"


class GeminiContent(GeminiErrors):
    """Reads one request to generate content and writes its answer or error."""

    api: WireApi = "gemini"
    content_key = "candidates"
    usage_key = "usageMetadata"

    def __init__(self, address: Address) -> None:
        self.version = address.version
        self.model = address.model
        self.method = address.method
        self._key = address.key
        self._form = address.form
        self._id = new_id("", 22)

    def key(self, headers: Mapping[str, str]) -> str | None:
        """`x-goog-api-key`, or the `key` of the address."""
        return headers.get("x-goog-api-key", "").strip() or self._key or None

    def read(self, body: Json, headers: Mapping[str, str]) -> Ask:
        """Validate a decoded body; raises ApiError."""
        return to_ask(parse_message(GenerateContentRequest, body), streams=self._form != "whole")

    def write(self, ask: Ask, reply: Reply) -> Json:
        """A `GenerateContentResponse`."""
        return response(ask, reply, self._id)

    def stream(self, ask: Ask, reply: Reply) -> Streamed:
        """Responses one after the other: as events, or as the items of one list."""
        streamed = chunks(ask, reply, self._id)
        return streamed if self._form == "events" else replace(streamed, framing=json_array())

    def write_error(self, error: ApiError, request_id: str) -> Json:
        """The error object; where a list of responses was asked for, it is a list of one error."""
        return [_told(error)] if self._form == "array" else _told(error)

    def error_event(self, error: ApiError, request_id: str) -> Event:
        """The error object in the place of a response."""
        return Event(_told(error))

    def request_id(self) -> str:
        """What `responseId` says; no header tells it."""
        return self._id

    def headers(self, request_id: str, seconds: float) -> dict[str, str]:
        """The headers of every answer of the API itself."""
        return {"x-gemini-service-tier": "standard", "server-timing": f"gfet4t7; dur={seconds * 1000:.0f}"}

    def rate_headers(self, levels: Iterable[Level]) -> dict[str, str]:
        """None: the API does not tell how much is left."""
        return {}


def _told(error: ApiError) -> Json:
    details = {"details": error.details} if error.details else {}
    code = error.code or error.status
    return {"error": {"code": code, "message": error.message, "status": error.kind, **details}}
