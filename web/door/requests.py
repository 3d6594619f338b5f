"""What programs send and get at `/v1/jobs`."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationInfo

from mirepoix.ledger.accept import LONGEST_DEADLINE, MOST_URGENT, Options
from mirepoix.ledger.feedback import LONGEST_NOTE
from mirepoix.states import FeedbackSource, JobState, Latency
from mirepoix.tags import LONGEST_VALUE, MOST_TAGS
from mirepoix.views import JobView
from web.door.callers import Caller

PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
Text64 = Annotated[str, Field(min_length=1, max_length=64, pattern=PRINTABLE)]
IdempotencyKey = Annotated[str, Field(min_length=1, max_length=200, pattern=PRINTABLE)]
MostUsd = Annotated[Decimal, Field(ge=0, le=1_000_000, max_digits=19, decimal_places=12)]
"""As JSON a number, or a text where every digit counts."""
TagName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
TagValue = Annotated[str, Field(min_length=1, max_length=LONGEST_VALUE, pattern=PRINTABLE)]
Tags = Annotated[dict[TagName, TagValue], Field(max_length=MOST_TAGS)]
MOST_LISTED = 200


def _json_without_nan(value: JsonValue, info: ValidationInfo) -> JsonValue:
    """NaN and infinities, which Python's parser lets through, are no JSON."""
    try:
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise ValueError("it is not JSON: NaN, an infinity, or nested too deep") from error
    return value


Json = Annotated[JsonValue, AfterValidator(_json_without_nan)]


class JobRequest(BaseModel):
    """One job for a pipeline. `tenant` is for keys with the scope `admin`; others submit for their own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pipeline: Text64
    input: Json
    tenant: Text64 | None = None
    task: Text64 | None = None
    max_cost: MostUsd | None = None
    deadline: Annotated[float, Field(gt=0, le=LONGEST_DEADLINE)] | None = None
    latency: Latency | None = None
    priority: int = Field(default=0, ge=-MOST_URGENT, le=MOST_URGENT)
    tags: Tags = {}
    callback: Annotated[str, Field(max_length=2_000)] | None = None
    stream: bool = Field(default=False, description="Tell the answer while it comes, at `/v1/jobs/{id}/events`.")

    def options(self, caller: Caller, key: str | None) -> Options:
        """As the client takes them; raises Refusal for another's tenant."""
        return Options(
            tenant=caller.acts_for(self.tenant),
            key=key,
            task=self.task,
            max_cost=self.max_cost,
            deadline=self.deadline,
            latency=self.latency,
            priority=self.priority,
            stream=self.stream,
            tags=self.tags,
            callback=self.callback,
        )


class BulkLine(JobRequest):
    """A line of a bulk request."""

    key: IdempotencyKey | None = None


class FeedbackRequest(BaseModel):
    """How good a job's answer was, from 0 (of no use) to 1 (right), and who says so."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    score: Annotated[float, Field(ge=0, le=1, strict=True)]
    source: FeedbackSource = FeedbackSource.USER
    note: Annotated[str, Field(min_length=1, max_length=LONGEST_NOTE)] | None = None


class JobAccepted(BaseModel):
    """A job is in the ledger; `published` False: the broker is away, and it goes out when that is back."""

    id: str
    state: JobState
    pipeline: str
    tenant: str
    published: bool


class BulkResult(BaseModel):
    """What became of one line, counted from 1: the job's id, or the error."""

    line: int
    id: str | None = None
    error: str | None = None


class JobReply(JobView):
    """A job as it stands."""

    id: str

    @classmethod
    def of(cls, view: JobView) -> Self:
        """The same, under the name that programs expect."""
        return cls(id=view.job, **dict(view))


class JobPage(BaseModel):
    """Jobs, the newest first; `next` is the cursor of the page after this one."""

    jobs: list[JobReply]
    next: str | None
