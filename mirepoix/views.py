"""What people and programs are shown of a job: summaries and traces, as frozen models that print as JSON."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, JsonValue, PlainSerializer

from mirepoix.again import Again
from mirepoix.states import JobState, StepState


def usd_text(amount: Decimal) -> str:
    """Exact decimal text without an exponent and without trailing zeros: `0.00123`, `0`."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


UsdText = Annotated[Decimal, PlainSerializer(usd_text, return_type=str, when_used="json")]


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class JobView(_View):
    """One job as it stands. `latency_s` runs from submission to its end, or to now; `models` in order of first use."""

    job: str
    state: JobState
    pipeline: str
    version: str
    tenant: str
    output: JsonValue = None
    error_kind: str | None = None
    error: str | None = None
    cost_usd: UsdText
    latency_s: float
    models: tuple[str, ...]
    calls: int
    created_at: datetime
    finished_at: datetime | None = None


class Decision(_View):
    """What a router, gate or reducer chose; `confidence` is 0..1, `features` is what it looked at."""

    choice: str
    reason: str
    confidence: float
    features: dict[str, Any]


class AttemptView(_View):
    """One HTTP request (or in-process run). `outcome` is `answered`, `failed`, `in_flight`, `unknown` or `cached`.

    `form` says as what the JSON stood in an answer that had to fit a schema; `repaired` is one of them. With `cached`
    nobody was asked: the answer is that of `cached_from`, a job and a path (None when that job is gone).
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
    request_id: str | None
    prompt_hash: str
    answer_hash: str | None
    logprob: float | None = None
    started_at: datetime


class CallView(_View):
    """The attempts of one step at one model."""

    provider: str
    model: str
    attempts: tuple[AttemptView, ...]


class StepView(_View):
    """One step. `decision` is the last one, `decisions` all of them in order (a cascade decides after each tier)."""

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


class TraceView(_View):
    """Everything recorded of one job: steps in the order in which a person reads the pipeline."""

    job: str
    pipeline: str
    version: str
    state: JobState
    tenant: str
    task: str | None = None
    again: Again | None = None
    input: JsonValue
    output: JsonValue = None
    error: str | None = None
    cost_usd: UsdText
    latency_s: float
    spec: dict[str, Any]
    steps: tuple[StepView, ...]
