"""The emulator as a web application: the providers' endpoints, and the bill."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulator.answers import Answerer
from emulator.anthropic import AnthropicMessages
from emulator.bill import Bill
from emulator.draws import Attempts
from emulator.endpoint import Emulator, Endpoint, check_key
from emulator.openai import OpenAIChat, list_models
from emulator.questions import load_questions
from emulator.settings import EmulatorSettings
from emulator.wire import ApiError, Wire


def create_app(settings: EmulatorSettings) -> Starlette:
    """The application; raises ConfigError where the answers or the bill cannot be opened."""
    answerer = Answerer(load_questions(settings.answers), settings.seed, settings.error_correlation)
    emulator = Emulator(settings, answerer, Bill(settings.bill), Attempts())
    pages = _Pages(emulator)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await emulator.bill.close()

    return Starlette(
        routes=[
            Route("/v1/chat/completions", Endpoint(OpenAIChat(), emulator).respond, methods=["POST"]),
            Route("/v1/messages", Endpoint(AnthropicMessages(), emulator).respond, methods=["POST"]),
            Route("/v1/models", pages.models),
            Route("/_bill", pages.bill),
            Route("/_health", pages.health),
        ],
        exception_handlers={HTTPException: _unknown_url},
        lifespan=lifespan,
    )


class _Pages:
    """What is asked with GET; none of it is on the bill."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    async def models(self, request: Request) -> Response:
        """OpenAI's list of models."""
        wire, settings = OpenAIChat(), self._emulator.settings
        try:
            check_key(wire, wire.key(request.headers), settings)
        except ApiError as error:
            return _refuse(wire, error)
        return JSONResponse(list_models(settings.models.values()), headers=wire.headers(wire.request_id(), 0))

    async def bill(self, request: Request) -> Response:
        """The totals of the bill, or with `?rows=1` its rows, those of one `tag` if given."""
        if request.query_params.get("rows") == "1":
            return JSONResponse({"rows": await self._emulator.bill.rows(request.query_params.get("tag"))})
        total = await self._emulator.bill.total()
        return JSONResponse(total.as_json())

    async def health(self, _: Request) -> Response:
        """That the emulator is there, and what it was started with."""
        settings = self._emulator.settings
        return JSONResponse({"status": "ok", "seed": settings.seed, "models": sorted(settings.models)})


async def _unknown_url(request: Request, error: Exception) -> Response:
    """A 404 or 405 in the words of the provider whose path is nearest."""
    assert isinstance(error, HTTPException)
    path = request.url.path
    wire: Wire = AnthropicMessages() if path.startswith("/v1/messages") else OpenAIChat()
    return _refuse(wire, wire.unknown_url(error.status_code, request.method, path))


def _refuse(wire: Wire, error: ApiError) -> Response:
    request_id = wire.request_id()
    return JSONResponse(wire.write_error(error, request_id), error.status, wire.headers(request_id, 0))
