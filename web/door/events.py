"""`/v1/jobs/{id}/events`: a job's way, told while it goes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import asdict

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from db.listing import StepProgress, read_owner, read_progress
from mirepoix.client import Client
from mirepoix.pieces import Piece
from mirepoix.states import JobState
from mirepoix.views import JobView
from web.door.callers import Reader
from web.door.hearing import AsyncEar, follow
from web.door.jobs import JobId, own_job
from web.door.requests import JobReply
from web.door.sse import HEARTBEAT, EventStream, event
from web.errors import AS_JSON
from web.house import house_of

router = APIRouter(tags=["jobs"])


@router.get(
    "/v1/jobs/{id}/events",
    status_code=200,
    response_class=EventStream,
    responses={
        200: {"description": "Events.", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
        "4XX": AS_JSON,
        "5XX": AS_JSON,
    },
)
async def watch_job(request: Request, caller: Reader, id: JobId) -> EventStream:
    """Tell `state` of the job, each `step` that changes, each `piece` of a streamed answer, and `end` with the job.

    Who comes back hears the present state anew, and at the end the whole answer.
    """
    handle = await run_in_threadpool(own_job, request, caller, id)
    house = house_of(request)
    return EventStream(_tell(house.client, house.settings.redis_url, handle.id))


async def _tell(client: Client, redis_url: str, job_id: str) -> AsyncIterator[bytes]:
    progress = _Progress(client, job_id)
    async with AsyncEar(redis_url, with_text=True) as ear:
        await ear.attend(job_id)
        for told in await progress.news():
            yield told
        async for heard in follow(client, job_id, ear):
            if isinstance(heard, Piece):
                yield event(json.dumps({"text": heard.text, "restart": heard.restart}), "piece")
                continue
            for told in await progress.news():
                yield told
            yield HEARTBEAT if heard is None else event(_end(heard), "end")


class _Progress:
    """What a listener has not been told yet."""

    def __init__(self, client: Client, job_id: str) -> None:
        self._client = client
        self._job_id = job_id
        self._state: JobState | None = None
        self._steps: dict[str, StepProgress] = {}

    async def news(self) -> list[bytes]:
        """Events for what has changed."""
        state, steps = await run_in_threadpool(self._read)
        told = [] if state is self._state else [event(json.dumps({"state": state}), "state")]
        told += [event(json.dumps(asdict(step)), "step") for step in steps if self._steps.get(step.path) != step]
        self._state, self._steps = state, {step.path: step for step in steps}
        return told

    def _read(self) -> tuple[JobState | None, list[StepProgress]]:
        with self._client.database.read() as connection:
            owned = read_owner(connection, self._job_id)
            return owned.state if owned else None, read_progress(connection, self._job_id)


def _end(view: JobView) -> str:
    return JobReply.of(view).model_dump_json()
