"""Anthropic's message batches: `/v1/messages/batches`, as the official SDK's types show them."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field, JsonValue, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulator.anthropic import AnthropicMessages
from emulator.anthropic_request import invalid
from emulator.batches import Batch, Batches, Ending, Result, Wanted, write_lines
from emulator.bodies import decode, receive
from emulator.endpoint import Emulator
from emulator.guarded import Page, guarded
from emulator.ids import new_id
from emulator.wire import ApiError, Json

BATCHES = "/v1/messages/batches"
MOST_REQUESTS = 100_000
MOST_ON_A_PAGE = 1_000


class BatchedMessage(BaseModel):
    """One request of a batch."""

    custom_id: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    params: dict[str, JsonValue]


class BatchRequest(BaseModel):
    """The body of `POST /v1/messages/batches`."""

    requests: list[BatchedMessage] = Field(min_length=1, max_length=MOST_REQUESTS)


class AnthropicBatches:
    """All addresses of them."""

    def __init__(self, emulator: Emulator) -> None:
        self._wire = AnthropicMessages()
        self._settings = emulator.settings
        self._batches = Batches(emulator, self._wire)

    def routes(self) -> list[Route]:
        """Where they stand."""
        pages: list[tuple[str, str, Page]] = [
            ("POST", BATCHES, self._create),
            ("GET", BATCHES, self._list),
            ("GET", f"{BATCHES}/{{id}}", self._show),
            ("GET", f"{BATCHES}/{{id}}/results", self._results),
            ("POST", f"{BATCHES}/{{id}}/cancel", self._cancel),
        ]
        return [
            Route(path, guarded(page, self._wire, self._settings), methods=[method]) for method, path, page in pages
        ]

    async def _create(self, request: Request, key: str) -> Response:
        body, _, _ = decode(await receive(request, self._wire), self._wire, {})
        try:
            asked = BatchRequest.model_validate(body).requests
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            raise invalid(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}") from error
        if len({each.custom_id for each in asked}) < len(asked):
            raise invalid("requests: each custom_id must be unique within the batch")
        wanted = tuple(Wanted(each.custom_id, each.params) for each in asked)
        batch = Batch(new_id("msgbatch_", 24), key, request.headers, wanted)
        self._batches.send(batch)
        return JSONResponse(_about(request, batch))

    async def _list(self, request: Request, key: str) -> Response:
        limit = request.query_params.get("limit", "20")
        if not limit.isdigit() or not 0 < int(limit) <= MOST_ON_A_PAGE:
            raise invalid(f"limit: must lie between 1 and {MOST_ON_A_PAGE}")
        found, after = self._batches.all_of(key), request.query_params.get("after_id")
        if after is not None:
            found = found[next((index for index, batch in enumerate(found, 1) if batch.id == after), len(found)) :]
        page = [_about(request, batch) for batch in found[: int(limit)]]
        ends = {"first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None}
        return JSONResponse({"data": page, **ends, "has_more": len(found) > len(page)})

    async def _show(self, request: Request, key: str) -> Response:
        return JSONResponse(_about(request, self._batch(request, key)))

    async def _cancel(self, request: Request, key: str) -> Response:
        batch = self._batch(request, key)
        batch.cancel()
        return JSONResponse(_about(request, batch))

    async def _results(self, request: Request, key: str) -> Response:
        batch = self._batch(request, key)
        if batch.ended_at is None:
            raise ApiError(404, "not_found_error", "Results are not available before the batch has ended.")
        lines = ({"custom_id": each.custom_id, "result": _about_result(each)} for each in batch.results)
        return Response(write_lines(lines), media_type="application/x-jsonl")

    def _batch(self, request: Request, key: str) -> Batch:
        batch = self._batches.find(request.path_params["id"], key)
        if batch is None:
            raise ApiError(404, "not_found_error", f"message_batch: {request.path_params['id']}")
        return batch


def _about(request: Request, batch: Batch) -> Json:
    """A `message_batch` object; its counts move only when all of it has ended."""
    ended = batch.ended_at is not None
    counts = {ending.value: batch.count(ending) if ended else 0 for ending in Ending}
    status = "ended" if ended else "in_progress" if batch.cancelled_at is None else "canceling"
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": status,
        "request_counts": {"processing": 0 if ended else len(batch.wanted), **counts},
        "created_at": _rfc3339(batch.created_at),
        "expires_at": _rfc3339(batch.expires_at),
        "ended_at": _rfc3339(batch.ended_at),
        "cancel_initiated_at": _rfc3339(batch.cancelled_at),
        "archived_at": None,
        "results_url": f"{request.base_url}{BATCHES[1:]}/{batch.id}/results" if ended else None,
    }


def _about_result(result: Result) -> Json:
    match result.ending:
        case Ending.SUCCEEDED:
            return {"type": "succeeded", "message": result.body}
        case Ending.ERRORED:
            return {"type": "errored", "error": result.body}
        case _:
            return {"type": result.ending.value}


def _rfc3339(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
