"""What people and programs are shown of a job: summaries and traces, as frozen models that print as JSON."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, JsonValue, PlainSerializer

from mirepoix.again import Again
from mirepoix.states import EventKind, FeedbackSource, JobState, StepState, Store


def usd_text(amount: Decimal) -> str:
    """Exact decimal text without an exponent and without trailing zeros: `0.00123`, `0`."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


UsdText = Annotated[Decimal, PlainSerializer(usd_text, return_type=str, when_used="json")]


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class FeedbackView(_View):
    """What a source thinks of a job's answer: `score` is 0..1."""

    source: FeedbackSource
    score: float
    note: str | None = None
    at: datetime


class JobView(_View):
    """One job as it stands. `latency_s` runs from submission to its end, or to now; `models` in order of first use.

    `max_cost_usd` is what its calls may cost at the most, None where nothing was said. `store` is what is kept of its
    texts; `filed` says that it has come to that: with `forgotten` none are there, so that it has no output any more.
    `canary` says whether the next version of its pipeline answered it (None: nothing was drawn), `shadow_of` which job
    it answers once more, unseen.
    """

    job: str
    state: JobState
    pipeline: str
    version: str
    tenant: str
    output: JsonValue = None
    error_kind: str | None = None
    error: str | None = None
    tags: dict[str, str] = {}
    cost_usd: UsdText
    max_cost_usd: UsdText | None = None
    latency_s: float
    models: tuple[str, ...]
    calls: int
    created_at: datetime
    finished_at: datetime | None = None
    store: Store = Store.FULL
    filed: bool = False
    forgotten: bool = False
    canary: bool | None = None
    shadow_of: str | None = None
    feedback: tuple[FeedbackView, ...] = ()

    @property
    def part(self) -> str | None:
        """What it is in a rollout: `shadow`, `canary`, or nothing."""
        if self.shadow_of is not None:
            return "shadow"
        return "canary" if self.canary else None


class Decision(_View):
    """What a router, gate, reducer or rollout chose; `confidence` is 0..1, `features` is what it looked at.

    `trained` is the hash (SHA-256) of the trained file that it asked, where it asked one.
    """

    choice: str
    reason: str
    confidence: float
    features: dict[str, Any]
    trained: str | None = None


class AttemptView(_View):
    """One HTTP request (or in-process run). `outcome` is `answered`, `failed`, `in_flight`, `unknown` or `cached`.

    `form` says as what the JSON stood in an answer that had to fit a schema; `repaired` is one of them. With `cached`
    nobody was asked: the answer is that of `cached_from`, a job and a path (None when that job is gone).
    `because` is why it was made: `first`, `retry`, `re-ask` (the answer before did not fit its schema), `fallback`
    (another model before it gave none), or `claimed again` (the step came back). `limit_wait_s` is how long it waited
    for leave to be sent, and `limit_reason` why. `batch` is the batch that it was part of.
    """

    outcome: str
    status: int | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cost_usd: UsdText | None
    latency_s: float | None
    error: str | None
    error_kind: str | None
    finish_reason: str | None
    form: str | None = None
    cached: bool = False
    cached_from: str | None = None
    batch: str | None = None
    request_id: str | None
    prompt_hash: str
    answer_hash: str | None
    logprob: float | None = None
    started_at: datetime
    because: str = "first"
    limit_wait_s: float | None = None
    limit_reason: str | None = None


class CallView(_View):
    """The attempts of one step at one model."""

    provider: str
    model: str
    attempts: tuple[AttemptView, ...]


class Event(_View):
    """Something out of the common: sent again, taken back, moved to another model, postponed, handed back."""

    kind: EventKind
    detail: str
    at: datetime


class StepView(_View):
    """One step. `decision` is the last one, `decisions` all of them in order (a cascade decides after each tier).

    `queued_s` is how long, over all its claims, it was ready and nobody had claimed it; `crashes` how many processes
    died with it in their hands; `task_id` the Celery task that claimed it last, as Flower knows it.
    """

    path: str
    parent: str | None
    kind: str
    state: StepState
    decision: Decision | None
    decisions: tuple[Decision, ...]
    calls: tuple[CallView, ...]
    output: JsonValue = None
    error_kind: str | None
    error: str | None
    started_at: datetime | None
    finished_at: datetime | None
    queued_s: float = 0.0
    crashes: int = 0
    task_id: str | None = None
    events: tuple[Event, ...] = ()


class TraceView(_View):
    """Everything recorded of one job: steps in the order in which a person reads the pipeline.

    `queued_s` is from its submission to its start; `events` are what happened to it before it had steps, and
    `decisions` what was decided when it was accepted: which version of its pipeline it got. `shadows` are the jobs that
    answer it once more, unseen. `store`, `filed` and `forgotten` are those of `JobView`.
    """

    job: str
    pipeline: str
    version: str
    state: JobState
    tenant: str
    task: str | None = None
    again: Again | None = None
    shadow_of: str | None = None
    shadows: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()
    input: JsonValue
    output: JsonValue = None
    error: str | None = None
    tags: dict[str, str] = {}
    cost_usd: UsdText
    latency_s: float
    spec: dict[str, Any]
    steps: tuple[StepView, ...]
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    queued_s: float = 0.0
    store: Store = Store.FULL
    filed: bool = False
    forgotten: bool = False
    feedback: tuple[FeedbackView, ...] = ()
    events: tuple[Event, ...] = ()


class ExportedTrace(TraceView):
    """A trace and the texts that it names by their hash: prompts and answers, as far as they are stored."""

    contents: dict[str, JsonValue]
