"""`/v1/jobs`: submit, look, cancel, say how good the answer was."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import JsonValue

from db.listing import Owned, page_of_jobs, read_owner
from mirepoix.client import Handle
from mirepoix.errors import NotFound
from mirepoix.ledger.accept import Options, may_wait
from mirepoix.ledger.contents import encode
from mirepoix.ledger.read import read_jobs
from mirepoix.states import JobState
from mirepoix.views import TraceView
from web.door.callers import Caller, Reader, Submitter
from web.door.requests import (
    MOST_LISTED,
    PRINTABLE,
    FeedbackRequest,
    IdempotencyKey,
    JobAccepted,
    JobPage,
    JobReply,
    JobRequest,
    Text64,
)
from web.errors import ErrorReply, Refusal
from web.house import House, house_of

JobId = Annotated[str, Path(min_length=1, max_length=64, pattern=PRINTABLE)]
KeyHeader = Annotated[IdempotencyKey | None, Header(alias="Idempotency-Key")]

router = APIRouter(
    tags=["jobs"], responses={"4XX": {"model": ErrorReply}, "5XX": {"model": ErrorReply, "description": "Trouble here"}}
)


@router.post("/v1/jobs", status_code=202)
def submit_job(
    request: Request, response: Response, caller: Submitter, job: JobRequest, key: KeyHeader = None
) -> JobAccepted:
    """Accept a job; the same `Idempotency-Key` gives the same job again."""
    house = house_of(request)
    options = job.options(caller, key)
    handle = house.client.submit(job.pipeline, job.input, **options)
    tenant = caller.acts_for(job.tenant)
    state = JobState.QUEUED if key is None else require_same(house, handle, job.pipeline, job.input, options).state
    response.headers["Location"] = f"/v1/jobs/{handle.id}"
    return JobAccepted(id=handle.id, state=state, pipeline=job.pipeline, tenant=tenant, published=handle.published)


@router.get("/v1/jobs")
def list_jobs(
    request: Request,
    caller: Reader,
    state: JobState | None = None,
    pipeline: Text64 | None = None,
    tenant: Text64 | None = None,
    after: Annotated[Text64 | None, Query(description="The `next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 50,
) -> JobPage:
    """List jobs, the newest first."""
    whose = caller.acts_for(tenant) if tenant is not None else caller.seen
    with house_of(request).client.database.read() as connection:
        found = page_of_jobs(connection, tenant=whose, state=state, pipeline=pipeline, after=after, limit=limit + 1)
        views = read_jobs(connection, found[:limit])
    return JobPage(jobs=[JobReply.of(view) for view in views], next=found[limit - 1] if len(found) > limit else None)


@router.get("/v1/jobs/{id}")
def read_job(request: Request, caller: Reader, id: JobId) -> JobReply:
    """One job as it stands."""
    return JobReply.of(own_job(request, caller, id).view())


@router.get("/v1/jobs/{id}/trace")
def read_job_trace(request: Request, caller: Reader, id: JobId) -> TraceView:
    """Everything recorded of a job: steps, decisions, attempts."""
    return own_job(request, caller, id).trace()


@router.delete("/v1/jobs/{id}")
def cancel_job(request: Request, caller: Submitter, id: JobId) -> JobReply:
    """Cancel a job. Cancelling it again changes nothing; one that ended otherwise is a 409."""
    handle = own_job(request, caller, id)
    handle.cancel()
    view = handle.view()
    if view.state is not JobState.CANCELLED:
        raise Refusal(409, f"the job has {view.state.value} already.", code="already_ended")
    return JobReply.of(view)


@router.post("/v1/jobs/{id}/feedback")
def give_feedback(request: Request, caller: Submitter, id: JobId, feedback: FeedbackRequest) -> JobReply:
    """Say how good a job's answer was; a newer word of the same source replaces the older one."""
    handle = own_job(request, caller, id)
    if (state := handle.state) is not JobState.SUCCEEDED:
        raise Refusal(409, f"the job has no answer to judge: it is {state.value}.", code="no_answer")
    handle.feedback(feedback.score, note=feedback.note, source=feedback.source)
    return JobReply.of(handle.view())


def own_job(request: Request, caller: Caller, job_id: str) -> Handle:
    """The job, if it is one that the caller may see; raises NotFound, which does not tell another's from none."""
    client = house_of(request).client
    with client.database.read() as connection:
        owned = read_owner(connection, job_id)
    if owned is None or caller.seen not in (None, owned.tenant):
        raise NotFound("there is no such job here.")
    return Handle(client, job_id)


def require_same(
    house: House,
    handle: Handle,
    pipeline: str,
    input: JsonValue,
    options: Options,
    *,
    versions: Collection[str] | None = None,
) -> Owned:
    """Raise Refusal when the key, by which `handle` was found, was used for another job before.

    `versions` are those that may run, where the request itself says what.
    """
    with house.client.database.read() as connection:
        owned = read_owner(connection, handle.id)
    if owned is None:
        raise NotFound("there is no such job here.")
    other = differing(owned, pipeline, input, options)
    if versions is not None and owned.version not in versions:
        other.append("what the model is asked, and how")
    if other:
        raise Refusal(422, reused(other), code="idempotency_key_reused")
    return owned


def differing(owned: Owned, pipeline: str, input: JsonValue, options: Options) -> list[str]:
    """The fields in which a job differs from what is asked; how its answer is told is none of them."""
    deadline = options.get("deadline")
    pairs: dict[str, tuple[object, object]] = {
        "pipeline": (owned.pipeline, pipeline),
        "input": (owned.input_hash, encode(input)[0]),
        "task": (owned.task, options.get("task")),
        "max_cost": (owned.max_cost, options.get("max_cost")),
        "deadline": (_milliseconds(owned.deadline), _milliseconds(deadline)),
        "latency": (owned.batch, may_wait(options.get("latency"), deadline, stream=options.get("stream", False))),
        "priority": (owned.priority, options.get("priority", 0)),
        "tags": (owned.tags, dict(options.get("tags", {}))),
        "callback": (owned.callback, options.get("callback")),
    }
    return [name for name, (before, now) in pairs.items() if before != now]


def reused(other: list[str]) -> str:
    """What is said of a key that was used for another job."""
    return f"this Idempotency-Key was used for another job; different: {', '.join(other)}."


def _milliseconds(seconds: float | None) -> int | None:
    """The ledger has microseconds, which a sum of floats may miss by one."""
    return None if seconds is None else round(seconds * 1_000)
