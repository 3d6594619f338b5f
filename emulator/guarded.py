"""Pages behind a key: what a provider's API serves beside completions, with its own form of errors and headers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from emulator.endpoint import check_key
from emulator.settings import EmulatorSettings
from emulator.wire import ApiError, Wire

Page = Callable[[Request, str], Awaitable[Response]]
"""Takes the request and the key it came with."""


def guarded(page: Page, wire: Wire, settings: EmulatorSettings) -> Callable[[Request], Awaitable[Response]]:
    """`page` for those who have a key; what it refuses is told as the provider tells it."""

    async def respond(request: Request) -> Response:
        request_id = wire.request_id()
        try:
            key = wire.key(request.headers)
            check_key(wire, key, settings)
            response = await page(request, key or "")
        except ApiError as error:
            response = JSONResponse(wire.write_error(error, request_id), error.status)
        response.headers.update(wire.headers(request_id, 0))
        return response

    return respond
