"""The emulator as a web application: the providers' endpoints, and its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulator.answers import Answerer
from emulator.anthropic import AnthropicMessages
from emulator.anthropic_batches import AnthropicBatches
from emulator.bill import Bill
from emulator.control import Control
from emulator.draws import Attempts
from emulator.endpoint import Emulator, Endpoint, check_key
from emulator.faults import Faults
from emulator.gemini import GeminiContent
from emulator.gemini_pages import GeminiPages, is_for_gemini, read_address
from emulator.limits import RateLimiter
from emulator.openai import OpenAIChat, list_models
from emulator.openai_batches import OpenAIBatches
from emulator.prompt_cache import PromptCache
from emulator.questions import load_questions
from emulator.responses import OpenAIResponses
from emulator.settings import EmulatorSettings
from emulator.wire import ApiError, Wire


def create_app(settings: EmulatorSettings) -> Starlette:
    """The application; raises ConfigError where the answers, the bill or the scenario cannot be used."""
    scenario = settings.scenario
    settings = replace(settings, models=scenario.play(settings.models))
    bank = load_questions(settings.answers, settings.recorded)
    answerer = Answerer(bank, settings.seed, settings.error_correlation, settings.recorded_only)
    emulator = Emulator(
        settings,
        answerer,
        Bill(settings.bill),
        Attempts(),
        Faults(scenario.faults, settings.seed),
        RateLimiter(scenario.rate_limits),
        PromptCache(),
    )
    control, gemini = Control(emulator), GeminiPages(emulator)

    async def respond_to_responses(request: Request) -> Response:
        return await Endpoint(OpenAIResponses(), emulator).respond(request)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await emulator.bill.close()

    return Starlette(
        routes=[
            Route("/v1/chat/completions", Endpoint(OpenAIChat(), emulator).respond, methods=["POST"]),
            Route("/v1/responses", respond_to_responses, methods=["POST"]),
            Route("/v1/messages", Endpoint(AnthropicMessages(), emulator).respond, methods=["POST"]),
            Route("/v1/models", _Models(settings, gemini).respond),
            *OpenAIBatches(emulator).routes(),
            *AnthropicBatches(emulator).routes(),
            *gemini.routes(),
            Route("/__emu/faults", control.faults, methods=["GET", "POST", "DELETE"]),
            Route("/_bill", control.bill),
            Route("/_health", control.health),
        ],
        exception_handlers={HTTPException: _unknown_url},
        lifespan=lifespan,
    )


class _Models:
    """OpenAI's list of models, or Gemini's: both stand at `/v1/models`, and the key tells which is meant."""

    def __init__(self, settings: EmulatorSettings, gemini: GeminiPages) -> None:
        self._settings = settings
        self._gemini = gemini

    async def respond(self, request: Request) -> Response:
        if is_for_gemini(request):
            return await self._gemini.models(request)
        wire, settings = OpenAIChat(), self._settings
        try:
            check_key(wire, wire.key(request.headers), settings)
        except ApiError as error:
            return _refuse(wire, error)
        return JSONResponse(list_models(settings.models.values()), headers=wire.headers(wire.request_id(), 0))


async def _unknown_url(request: Request, error: Exception) -> Response:
    """A 404 or 405 in the words of the provider whose path is nearest."""
    assert isinstance(error, HTTPException)
    path = request.url.path
    wire: Wire = AnthropicMessages() if path.startswith("/v1/messages") else OpenAIChat()
    if is_for_gemini(request):
        wire = GeminiContent(read_address(request))
    return _refuse(wire, wire.unknown_url(error.status_code, request.method, path))


def _refuse(wire: Wire, error: ApiError) -> Response:
    request_id = wire.request_id()
    return JSONResponse(wire.write_error(error, request_id), error.status, wire.headers(request_id, 0))
