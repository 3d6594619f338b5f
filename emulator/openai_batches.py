"""OpenAI's files and batches: `/v1/files` and `/v1/batches`, as the official SDK's types show them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeVar

from pydantic import BaseModel, Field, JsonValue, ValidationError
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulator.batches import Batch, Batches, Ending, Wanted, write_lines
from emulator.bodies import decode, receive
from emulator.endpoint import Emulator
from emulator.guarded import Page, guarded
from emulator.ids import new_id
from emulator.openai import OpenAIChat
from emulator.openai_request import INVALID_REQUEST
from emulator.wire import ApiError, Json

M = TypeVar("M", bound=BaseModel)

CHAT = "/v1/chat/completions"
MOST_REQUESTS = 50_000
MOST_BYTES = 200 * 1024 * 1024
MOST_ON_A_PAGE = 100
TOO_LATE = {
    "code": "batch_expired",
    "message": "This request could not be executed before the completion window expired.",
}


class Expiry(BaseModel):
    """How long a file is kept; the emulator says when it expires, and keeps it for as long as it runs."""

    anchor: Literal["created_at"]
    seconds: int = Field(ge=3_600, le=2_592_000)


MONTH = Expiry(anchor="created_at", seconds=2_592_000)


class Line(BaseModel):
    """One line of the file that is sent."""

    custom_id: str = Field(min_length=1, max_length=512)
    method: Literal["POST"]
    url: str
    body: dict[str, JsonValue]


class BatchRequest(BaseModel):
    """The body of `POST /v1/batches`."""

    input_file_id: str
    endpoint: str
    completion_window: Literal["24h"]
    metadata: dict[str, str] | None = Field(default=None, max_length=16)
    output_expires_after: Expiry = MONTH


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that was uploaded, or that holds the results of a batch."""

    id: str
    key: str
    name: str
    purpose: str
    content: bytes
    created_at: int
    expires_at: int


class OpenAIBatches:
    """All addresses of the two."""

    def __init__(self, emulator: Emulator) -> None:
        self._wire = OpenAIChat()
        self._settings = emulator.settings
        self._batches = Batches(emulator, self._wire)
        self._files: dict[str, StoredFile] = {}
        self._expiries: dict[str, Expiry] = {}

    def routes(self) -> list[Route]:
        """Where they stand."""
        pages: list[tuple[str, str, Page]] = [
            ("POST", "/v1/files", self._upload),
            ("GET", "/v1/files", self._list_files),
            ("GET", "/v1/files/{id}", self._show_file),
            ("DELETE", "/v1/files/{id}", self._delete_file),
            ("GET", "/v1/files/{id}/content", self._download),
            ("POST", "/v1/batches", self._create),
            ("GET", "/v1/batches", self._list),
            ("GET", "/v1/batches/{id}", self._show),
            ("POST", "/v1/batches/{id}/cancel", self._cancel),
        ]
        return [
            Route(path, guarded(page, self._wire, self._settings), methods=[method]) for method, path, page in pages
        ]

    async def _upload(self, request: Request, key: str) -> Response:
        async with request.form(max_part_size=MOST_BYTES) as form:
            file, purpose = form.get("file"), form.get("purpose")
            if not isinstance(file, UploadFile) or purpose != "batch":
                raise _refused("'file' and the 'purpose' 'batch' are required; others are not emulated.", "purpose")
            fields = {name: form.get(f"expires_after[{name}]") for name in Expiry.model_fields}
            expiry = _read(Expiry, fields) if any(fields.values()) else MONTH
            content = await file.read()
        if len(content) > MOST_BYTES:
            raise self._wire.too_large(MOST_BYTES)
        return JSONResponse(_about_file(self._keep(key, file.filename or "file", "batch", content, expiry)))

    async def _list_files(self, request: Request, key: str) -> Response:
        data = [_about_file(file) for file in reversed(self._files.values()) if file.key == key]
        return JSONResponse({"object": "list", "data": data, "has_more": False})

    async def _show_file(self, request: Request, key: str) -> Response:
        return JSONResponse(_about_file(self._file(request.path_params["id"], key)))

    async def _delete_file(self, request: Request, key: str) -> Response:
        file = self._file(request.path_params["id"], key)
        del self._files[file.id]
        return JSONResponse({"id": file.id, "object": "file", "deleted": True})

    async def _download(self, request: Request, key: str) -> Response:
        content = self._file(request.path_params["id"], key).content
        return Response(content, media_type="application/octet-stream")

    async def _create(self, request: Request, key: str) -> Response:
        body, _, _ = decode(await receive(request, self._wire), self._wire, {})
        asked = _read(BatchRequest, body)
        if asked.endpoint != CHAT:
            raise _refused(f"Invalid value: '{asked.endpoint}'. Supported values are: '{CHAT}'.", "endpoint")
        file = self._file(asked.input_file_id, key)
        about = {"metadata": asked.metadata, "endpoint": asked.endpoint, "input_file_id": file.id}
        try:
            wanted = _read_lines(file.content)
        except ApiError as problem:
            batch = Batch(new_id("batch_", 32), key, request.headers, (), about)
            batch.about["errors"] = {"object": "list", "data": [_about_problem(problem)]}
            batch.ended_at = datetime.now(UTC)
            self._batches.keep(batch)
        else:
            batch = Batch(new_id("batch_", 32), key, request.headers, wanted, about)
            self._batches.send(batch)
        self._expiries[batch.id] = asked.output_expires_after
        return JSONResponse(self._about(batch))

    async def _list(self, request: Request, key: str) -> Response:
        limit = request.query_params.get("limit", "20")
        if not limit.isdigit() or not 0 < int(limit) <= MOST_ON_A_PAGE:
            raise _refused(f"Invalid 'limit': it lies between 1 and {MOST_ON_A_PAGE}.", "limit")
        found, after = self._batches.all_of(key), request.query_params.get("after")
        if after is not None:
            found = found[next((index for index, batch in enumerate(found, 1) if batch.id == after), len(found)) :]
        page = [self._about(batch) for batch in found[: int(limit)]]
        ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {}
        return JSONResponse({"object": "list", "data": page, **ends, "has_more": len(found) > len(page)})

    async def _show(self, request: Request, key: str) -> Response:
        return JSONResponse(self._about(self._batch(request, key)))

    async def _cancel(self, request: Request, key: str) -> Response:
        batch = self._batch(request, key)
        if batch.ended_at is not None:
            raise ApiError(409, INVALID_REQUEST, f"Cannot cancel a batch with status '{_status(batch)}'.")
        batch.cancel()
        return JSONResponse(self._about(batch))

    def _batch(self, request: Request, key: str) -> Batch:
        id_ = request.path_params["id"]
        batch = self._batches.find(id_, key)
        if batch is None:
            raise ApiError(404, INVALID_REQUEST, f"No batch found with id '{id_}'.")
        return batch

    def _file(self, id_: str, key: str) -> StoredFile:
        file = self._files.get(id_)
        if file is None or file.key != key:
            raise ApiError(404, INVALID_REQUEST, f"No such File object: {id_}", param="id")
        return file

    def _keep(self, key: str, name: str, purpose: str, content: bytes, expiry: Expiry) -> StoredFile:
        moment = int(datetime.now(UTC).timestamp())
        file = StoredFile(new_id("file-", 22), key, name, purpose, content, moment, moment + expiry.seconds)
        self._files[file.id] = file
        return file

    def _about(self, batch: Batch) -> Json:
        """A `batch` object; its results are put into files when it is first shown after its end."""
        if batch.ended_at is not None and "output_file_id" not in batch.about:
            self._write_results(batch)
        total, done = len(batch.wanted), batch.count(Ending.SUCCEEDED)
        status, ended_at = _status(batch), _seconds(batch.ended_at)
        return {
            "id": batch.id,
            "object": "batch",
            "errors": None,
            "output_file_id": None,
            "error_file_id": None,
            **batch.about,
            "completion_window": "24h",
            "status": status,
            "created_at": _seconds(batch.created_at),
            "in_progress_at": _seconds(batch.created_at),
            "expires_at": _seconds(batch.expires_at),
            "finalizing_at": ended_at,
            **{f"{end}_at": ended_at if status == end else None for end in ("completed", "failed", "expired")},
            "cancelling_at": _seconds(batch.cancelled_at),
            "cancelled_at": ended_at if status == "cancelled" else None,
            "request_counts": {"total": total, "completed": done, "failed": batch.count(Ending.ERRORED)},
        }

    def _write_results(self, batch: Batch) -> None:
        good, bad = list[Json](), list[Json]()
        for result in batch.results:
            answered = {"status_code": result.status, "request_id": result.request_id, "body": result.body}
            line = {"id": new_id("batch_req_", 24), "custom_id": result.custom_id, "response": answered, "error": None}
            if result.ending is Ending.SUCCEEDED:
                good.append(line)
            elif result.ending is Ending.ERRORED:
                bad.append(line)
            elif result.ending is Ending.EXPIRED:
                bad.append({**line, "response": None, "error": TOO_LATE})
        batch.about |= {"output_file_id": None, "error_file_id": None}
        for name, lines in (("output", good), ("error", bad)):
            if lines:
                results, expiry = f"{batch.id}_{name}.jsonl", self._expiries[batch.id]
                file = self._keep(batch.key, results, "batch_output", write_lines(lines), expiry)
                batch.about[f"{name}_file_id"] = file.id


def _read(form: type[M], data: object) -> M:
    """Raises ApiError, which names the first field that does not fit."""
    try:
        return form.model_validate(data)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise _refused(problem["msg"], ".".join(map(str, problem["loc"]))) from error


def _status(batch: Batch) -> str:
    if batch.ended_at is None:
        return "in_progress" if batch.cancelled_at is None else "cancelling"
    if "errors" in batch.about:
        return "failed"
    if batch.cancelled_at is not None:
        return "cancelled"
    return "expired" if batch.count(Ending.EXPIRED) else "completed"


def _read_lines(content: bytes) -> tuple[Wanted, ...]:
    """Raises ApiError, whose `code` and `param` the batch's errors show."""
    lines = content.splitlines()
    if not 0 < len(lines) <= MOST_REQUESTS:
        raise _invalid("empty_file" if not lines else "too_many_tasks", f"The file has {len(lines)} requests.", None)
    wanted, seen = list[Wanted](), set[str]()
    for number, text in enumerate(lines, 1):
        try:
            line = Line.model_validate(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise _invalid("invalid_json_line", "This line is not parseable as valid JSON.", number) from error
        if line.url != CHAT:
            raise _invalid("invalid_url", "The URL provided for this request does not match the endpoint.", number)
        if line.custom_id in seen:
            raise _invalid("duplicate_custom_id", f"The custom_id '{line.custom_id}' is not unique.", number)
        seen.add(line.custom_id)
        wanted.append(Wanted(line.custom_id, line.body))
    return tuple(wanted)


def _invalid(code: str, message: str, line: int | None) -> ApiError:
    return ApiError(400, INVALID_REQUEST, message, param=None if line is None else str(line), code=code)


def _about_problem(problem: ApiError) -> Json:
    line = None if problem.param is None else int(problem.param)
    return {"code": problem.code, "message": problem.message, "param": None, "line": line}


def _about_file(file: StoredFile) -> Json:
    return {
        "id": file.id,
        "object": "file",
        "bytes": len(file.content),
        "created_at": file.created_at,
        "expires_at": file.expires_at,
        "filename": file.name,
        "purpose": file.purpose,
        "status": "processed",
    }


def _refused(message: str, param: str) -> ApiError:
    return ApiError(400, INVALID_REQUEST, message, param=param)


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
