"""Gemini's addresses: which of them asks a model, and what the others tell."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulator.bodies import decode, receive
from emulator.endpoint import Emulator, Endpoint, check_key
from emulator.gemini import Address, Form, GeminiContent
from emulator.gemini_answer import modalities
from emulator.gemini_asks import check_contents, to_messages
from emulator.gemini_proto import parse_message
from emulator.gemini_request import CountTokensRequest
from emulator.profiles import ModelProfile
from emulator.wire import ApiError, Ask, Json

VERSIONS = ("v1", "v1beta")
KEY_HEADER = "x-goog-api-key"
INPUT_LIMIT, OUTPUT_LIMIT = 1_048_576, 65_536
METHODS = ["generateContent", "countTokens"]


class GeminiPages:
    """All that stands below `/v1` and `/v1beta`."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def routes(self) -> list[Route]:
        """Those that no other provider has."""
        return [
            *(self._route(version, method) for version in VERSIONS for method in ("generate", "stream", "count")),
            Route("/v1beta/models", self.models),
            *(Route(f"/{version}/models/{{model}}", self.model) for version in VERSIONS),
        ]

    def _route(self, version: str, what: str) -> Route:
        method, respond = {
            "generate": ("generateContent", self.generate),
            "stream": ("streamGenerateContent", self.generate),
            "count": ("countTokens", self.count),
        }[what]
        return Route(f"/{version}/models/{{model}}:{method}", respond, methods=["POST"])

    async def generate(self, request: Request) -> Response:
        """Ask the model."""
        address = read_address(request)
        return await Endpoint(GeminiContent(address), self._emulator, {"model": address.model}).respond(request)

    async def count(self, request: Request) -> Response:
        """How many tokens a request would take; no model is asked, and nothing is billed."""
        wire = GeminiContent(read_address(request))
        try:
            self._check(wire, request)
            self._find(wire)
            body, _, _ = decode(await receive(request, wire), wire, {"model": wire.model})
            ask = _to_count(parse_message(CountTokensRequest, body))
        except ApiError as error:
            return refuse(wire, error)
        tokens = ask.prompt_tokens
        return _answer(wire, {"totalTokens": tokens, "promptTokensDetails": modalities(ask, tokens)})

    async def models(self, request: Request) -> Response:
        """All models of this provider, on one page."""
        wire = GeminiContent(read_address(request))
        try:
            self._check(wire, request)
        except ApiError as error:
            return refuse(wire, error)
        return _answer(wire, {"models": [_describe(profile) for profile in self._profiles(wire)]})

    async def model(self, request: Request) -> Response:
        """One of them; OpenAI's are not to be found one by one."""
        if not is_for_gemini(request):
            raise HTTPException(404)
        wire = GeminiContent(read_address(request))
        try:
            self._check(wire, request)
            return _answer(wire, _describe(self._find(wire)))
        except ApiError as error:
            return refuse(wire, error)

    def _check(self, wire: GeminiContent, request: Request) -> None:
        check_key(wire, wire.key(request.headers), self._emulator.settings)

    def _profiles(self, wire: GeminiContent) -> Iterable[ModelProfile]:
        return (profile for profile in self._emulator.settings.models.values() if profile.api == wire.api)

    def _find(self, wire: GeminiContent) -> ModelProfile:
        found = next((profile for profile in self._profiles(wire) if profile.name == wire.model), None)
        if found is None:
            raise wire.unknown_model(wire.model)
        return found


def read_address(request: Request) -> Address:
    """What a request's address tells; it need not be one that is served."""
    version, _, rest = request.url.path.lstrip("/").partition("/")
    model, _, method = rest.removeprefix("models").lstrip("/").partition(":")
    form: Form = "whole"
    if method == "streamGenerateContent":
        form = "events" if request.query_params.get("alt") == "sse" else "array"
    return Address(version, model, method or "generateContent", request.query_params.get("key"), form)


def is_for_gemini(request: Request) -> bool:
    """Whether a request means this provider and not one of those that share `/v1` with it."""
    path = request.url.path
    sent_key = KEY_HEADER in request.headers or "key" in request.query_params
    return path.startswith("/v1beta") or (path.startswith("/v1/models") and (sent_key or ":" in path))


def refuse(wire: GeminiContent, error: ApiError) -> Response:
    """The answer that is an error."""
    return JSONResponse(wire.write_error(error, ""), error.status, wire.headers("", 0) | error.headers)


def _answer(wire: GeminiContent, body: Json) -> Response:
    return JSONResponse(body, headers=wire.headers("", 0))


def _to_count(request: CountTokensRequest) -> Ask:
    whole = request.generate_content_request
    contents = request.contents if whole is None else whole.contents
    check_contents(contents)
    return Ask(request.model, to_messages(contents, None if whole is None else whole.system_instruction))


def _describe(profile: ModelProfile) -> Json:
    title = profile.name.replace("-", " ").title()
    return {
        "name": f"models/{profile.name}",
        "version": profile.name.removeprefix("gemini-"),
        "displayName": title,
        "description": title,
        "inputTokenLimit": INPUT_LIMIT,
        "outputTokenLimit": OUTPUT_LIMIT,
        "supportedGenerationMethods": METHODS,
        "temperature": 1,
        "topP": 0.95,
        "topK": 64,
        "maxTemperature": 2,
        "thinking": True,
    }
