"""`/v1/jobs:bulk`: many jobs, a line of JSON each, accepted while they come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import groupby

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from db.listing import read_owners
from mirepoix.client import BATCH, Client, require_input
from mirepoix.errors import InputError, NotFound, PipelineError
from mirepoix.ledger.accept import Submission
from mirepoix.strict import unknown
from mirepoix.webhooks import require_callback
from web.bounds import BULK_PATH, MOST_BYTES
from web.door.callers import Caller, Submitter
from web.door.jobs import differing, reused
from web.door.requests import BulkLine, BulkResult
from web.errors import ErrorReply, Refusal, harmless
from web.house import house_of

NDJSON = "application/x-ndjson"
MOST_LINES = 100_000

router = APIRouter(
    tags=["jobs"], responses={"4XX": {"model": ErrorReply}, "5XX": {"model": ErrorReply, "description": "Trouble here"}}
)


@router.post(
    BULK_PATH,
    response_class=Response,
    responses={200: {"description": "A `BulkResult` a line.", "content": {NDJSON: {"schema": {"type": "string"}}}}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {NDJSON: {"schema": {"type": "string"}}},
            "description": "A `BulkLine` a line.",
        }
    },
)
async def submit_jobs(request: Request, caller: Submitter) -> Response:
    """Accept many jobs, a JSON object a line; each line has its own result, and a bad one hinders no other.

    Whole batches are accepted while the rest is still on its way, so a connection that breaks leaves some accepted:
    give each line a `key`, and send them all again.
    """
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind not in (NDJSON, "application/jsonl", "application/ndjson"):
        raise Refusal(415, f"the Content-Type must be {NDJSON}.")
    client = house_of(request).client
    results: list[BulkResult] = []
    batch: list[tuple[int, BulkLine]] = []
    number = 0
    async for line in _lines(request):
        number += 1
        if number > MOST_LINES:
            raise Refusal(413, f"there are more than {MOST_LINES:,} lines; the first {MOST_LINES:,} may be accepted.")
        if not line.strip():
            continue
        parsed = _parse(number, line, client, caller)
        if isinstance(parsed, BulkResult):
            results.append(parsed)
        else:
            batch.append((number, parsed))
        if len(batch) == BATCH:
            results += await run_in_threadpool(_accept, client, caller, batch)
            batch = []
    results += await run_in_threadpool(_accept, client, caller, batch)
    body = "".join(f"{result.model_dump_json(exclude_none=True)}\n" for result in sorted(results, key=_line))
    return Response(body, media_type=NDJSON)


def _line(result: BulkResult) -> int:
    return result.line


async def _lines(request: Request) -> AsyncIterator[bytes]:
    """The lines of the body as they come."""
    rest = b""
    async for part in request.stream():
        *whole, rest = (rest + part).split(b"\n")
        for line in whole:
            yield line
        if len(rest) > MOST_BYTES:
            raise Refusal(413, f"a line is longer than {MOST_BYTES:,} bytes.")
    yield rest


def _parse(number: int, line: bytes, client: Client, caller: Caller) -> BulkLine | BulkResult:
    try:
        parsed = BulkLine.model_validate_json(line)
        require_input(parsed.input)
        Submission(parsed.input, **parsed.options(caller, parsed.key))
        if parsed.callback is not None:
            require_callback(parsed.callback, client.config.webhooks)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        return BulkResult(line=number, error=harmless(f"{where}: {problem['msg']}" if where else problem["msg"]))
    except (InputError, Refusal) as error:
        return BulkResult(line=number, error=str(error.detail if isinstance(error, Refusal) else error))
    if parsed.pipeline not in client.config.pipelines:
        known = client.config.pipelines
        return BulkResult(line=number, error=harmless(unknown(f"pipeline {parsed.pipeline!r}", parsed.pipeline, known)))
    return parsed


def _accept(client: Client, caller: Caller, batch: list[tuple[int, BulkLine]]) -> list[BulkResult]:
    """Accept a batch, a transaction for each run of lines that name the same pipeline."""
    results: list[BulkResult] = []
    for pipeline, run in groupby(batch, lambda item: item[1].pipeline):
        numbered = list(run)
        jobs = [Submission(line.input, **line.options(caller, line.key)) for _, line in numbered]
        try:
            handles = client.submit_many(pipeline, jobs)
        except (InputError, NotFound, PipelineError) as error:
            results += [BulkResult(line=number, error=harmless(str(error))) for number, _ in numbered]
            continue
        with client.database.read() as connection:
            owners = read_owners(connection, [handle.id for handle in handles])
        for (number, line), handle in zip(numbered, handles, strict=True):
            other = differing(owners[handle.id], pipeline, line.input, line.options(caller, line.key))
            results.append(
                BulkResult(line=number, error=reused(other)) if other else BulkResult(line=number, id=handle.id)
            )
    return results
