"""OpenTelemetry spans of jobs, steps and calls, by the semantic conventions for generative AI.

    submit ask                 the producer's, if it records spans
      invoke_workflow ask      the job: told when it has ended, from the ledger
        ensemble $             its steps, likewise
          call $.members.0
            chat gpt-4         each request to a provider, which gets this span's context as headers

A job's parts are done by many processes and may be done again after a crash, so the spans of jobs and steps get their
ids from the job's id and the step's path: who asks a provider knows the span above without asking anybody. Spans hold
ids, names and numbers, never what was asked or answered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from ulid import ULID

import mirepoix
from db.attempts import Outcome
from db.locks import LockedJob
from db.spans import EndedJob, EndedStep
from mirepoix.config import Api, Provider
from mirepoix.spans import JOB_ID, NEXT_IDS, PIPELINE, SCOPE, GivenIds
from mirepoix.states import ErrorKind, JobState, StepState

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, SpanContext

    from tasks.intent import Intent

PROVIDER_NAMES = {
    Api.OPENAI: "openai",
    Api.AZURE: "azure.ai.openai",
    Api.ANTHROPIC: "anthropic",
    Api.GEMINI: "gcp.gemini",
}
"""What the conventions call those who speak these wire formats; others go by their name in the configuration."""
STEP_PATH = "mirepoix.step.path"
ERROR = "error.type"


class CallSpan(Protocol):
    """One request to a provider, while it is out."""

    def end(self, outcome: Outcome, response_model: str | None = None) -> None:
        """Tell what came of it."""


class Spans:
    """Where no spans are wanted: it does nothing."""

    @contextmanager
    def call(self, intent: Intent, provider: Provider) -> Iterator[CallSpan]:
        """A span for the next request of `intent`; inside, it is the current one."""
        yield _NoSpan()

    def batched(self, intent: Intent, provider: Provider, asked_at: datetime) -> CallSpan:
        """A span for the request of `intent` that joined a batch at `asked_at`, and of which is known what came."""
        return _NoSpan()

    def wants(self, job: EndedJob) -> bool:
        """Whether anybody will read the spans of this job."""
        return False

    def tell(self, job: EndedJob, steps: list[EndedStep]) -> None:
        """The spans of a job that has ended and of its steps."""

    def close(self) -> None:
        """Send what is not sent yet."""


NO_SPANS = Spans()


class _NoSpan:
    def end(self, outcome: Outcome, response_model: str | None = None) -> None:
        """Nothing to tell."""


class RecordedSpans(Spans):
    """Spans for the collector behind `provider`."""

    def __init__(self, provider: TracerProvider, emulator_url: str | None = None) -> None:
        self._provider = provider
        self._emulator_url = emulator_url
        self._tracer = provider.get_tracer(SCOPE, mirepoix.__version__)

    @contextmanager
    def call(self, intent: Intent, provider: Provider) -> Iterator[CallSpan]:
        """As in `Spans`; a request that is given up in mid-air ends as aborted."""
        from opentelemetry.trace import use_span

        span = self._begin(intent, provider)
        told = _RecordedCall(span)
        with use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield told
            finally:
                if not told.ended:
                    _fail(span, ErrorKind.ABORTED)

    def batched(self, intent: Intent, provider: Provider, asked_at: datetime) -> CallSpan:
        """As in `Spans`."""
        return _RecordedCall(self._begin(intent, provider, asked_at))

    def wants(self, job: EndedJob) -> bool:
        """As the producer decided; where it had no say, as the sampler does."""
        return bool(self._origin(job).trace_flags.sampled)

    def tell(self, job: EndedJob, steps: list[EndedStep]) -> None:
        """As in `Spans`; parents before what is below them."""
        origin = self._origin(job)
        span = self._told(
            f"invoke_workflow {job.pipeline}",
            _span_id(job.id),
            self._context(origin, origin.span_id) if origin.is_valid else None,
            origin.trace_id,
            job.created_at,
            {
                "gen_ai.operation.name": "invoke_workflow",
                PIPELINE: job.pipeline,
                JOB_ID: job.id,
                "mirepoix.pipeline.version": job.version,
                "mirepoix.job.state": job.state,
            },
        )
        _finish(span, job.finished_at, job.error_kind, failed=job.state == JobState.FAILED)
        for step in steps:
            self._tell_step(job, step)

    def close(self) -> None:
        """Send what is not sent yet; a collector that is away is given up after some seconds."""
        self._provider.shutdown()

    def _begin(self, intent: Intent, provider: Provider, at: datetime | None = None) -> Span:
        """The span of a request that is about to be sent, or joined its batch `at` that moment."""
        from opentelemetry.trace import SpanKind

        claim = intent.claim
        address = urlsplit("" if provider.api is Api.PYTHON else self._emulator_url or provider.url)
        operation = "generate_content" if provider.api is Api.GEMINI else "chat"
        return self._tracer.start_span(
            f"{operation} {intent.model.name}",
            context=self._below(claim.job, claim.path),
            start_time=None if at is None else _nanoseconds(at),
            kind=SpanKind.INTERNAL if provider.api is Api.PYTHON else SpanKind.CLIENT,
            attributes=_known(
                {
                    "gen_ai.operation.name": operation,
                    "gen_ai.provider.name": PROVIDER_NAMES.get(provider.api, intent.model.provider),
                    "gen_ai.request.model": intent.model.name,
                    "gen_ai.request.max_tokens": intent.question.max_tokens,
                    "gen_ai.request.temperature": intent.question.temperature,
                    "gen_ai.request.top_p": intent.question.top_p,
                    "gen_ai.request.seed": intent.question.seed,
                    "server.address": address.hostname,
                    "server.port": address.port,
                    JOB_ID: claim.job_id,
                    STEP_PATH: claim.path,
                    "mirepoix.provider": intent.model.provider,
                    "mirepoix.model": intent.key,
                    "mirepoix.attempt.id": intent.attempt_id,
                }
            ),
        )

    def _tell_step(self, job: EndedJob, step: EndedStep) -> None:
        span = self._told(
            f"{step.kind} {step.path}",
            _span_id(job.id, step.path),
            self._below(job, step.parent),
            0,
            step.started_at,
            {
                JOB_ID: job.id,
                STEP_PATH: step.path,
                "mirepoix.step.kind": step.kind,
                "mirepoix.step.state": step.state,
                "mirepoix.model": step.model,
            },
        )
        _finish(span, step.finished_at, step.error_kind, failed=step.state == StepState.FAILED)

    def _told(
        self,
        name: str,
        span_id: int,
        context: Context | None,
        trace_id: int,
        at: datetime,
        attributes: dict[str, str | None],
    ) -> Span:
        """A span under the id that others know it by; without a `context` it is the first of the trace `trace_id`."""
        from opentelemetry.context import Context as Empty

        token = NEXT_IDS.set(GivenIds(trace_id, span_id))
        try:
            return self._tracer.start_span(
                name, context=context or Empty(), start_time=_nanoseconds(at), attributes=_known(attributes)
            )
        finally:
            NEXT_IDS.reset(token)

    def _below(self, job: EndedJob | LockedJob, path: str | None) -> Context:
        """The context of what happens at `path`; the job's where it is None."""
        return self._context(self._origin(job), _span_id(job.id, path))

    def _context(self, origin: SpanContext, span_id: int) -> Context:
        """The context of the span `span_id` in the trace of `origin`."""
        from opentelemetry.trace import NonRecordingSpan, SpanContext, set_span_in_context

        whole = SpanContext(origin.trace_id, span_id, True, origin.trace_flags, origin.trace_state)
        return set_span_in_context(NonRecordingSpan(whole))

    def _origin(self, job: EndedJob | LockedJob) -> SpanContext:
        """The span context that the job goes on from; without a producer's, one with a trace id of the job's own."""
        from opentelemetry.sdk.trace.sampling import Decision
        from opentelemetry.trace import SpanContext, TraceFlags, get_current_span
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        if job.traceparent is not None:
            carrier = {"traceparent": job.traceparent, "tracestate": job.tracestate or ""}
            given = get_current_span(TraceContextTextMapPropagator().extract(carrier))
            if given.get_span_context().is_valid:
                return given.get_span_context()
        trace_id = int(ULID.from_str(job.id))
        sampled = self._provider.sampler.should_sample(None, trace_id, "invoke_workflow").decision
        flags = TraceFlags.SAMPLED if sampled is Decision.RECORD_AND_SAMPLE else TraceFlags.DEFAULT
        return SpanContext(trace_id, 0, is_remote=True, trace_flags=TraceFlags(flags))


@dataclass(slots=True)
class _RecordedCall:
    span: Span
    ended: bool = False

    def end(self, outcome: Outcome, response_model: str | None = None) -> None:
        """Tell what came of it: the request is no longer out."""
        usage = outcome.usage
        self.span.set_attributes(
            _known(
                {
                    "gen_ai.response.model": response_model,
                    "gen_ai.response.finish_reasons": [outcome.finish_reason] if outcome.finish_reason else None,
                    "gen_ai.usage.input_tokens": usage.input if usage else None,
                    "gen_ai.usage.output_tokens": usage.output if usage else None,
                    "gen_ai.usage.cache_read.input_tokens": usage.cached if usage else None,
                    "gen_ai.usage.cache_creation.input_tokens": usage.cache_write if usage else None,
                    "http.response.status_code": outcome.status,
                    "mirepoix.request.id": outcome.request_id,
                    "mirepoix.cost_usd": float(outcome.cost) if outcome.cost is not None else None,
                }
            )
        )
        if outcome.error_kind is not None:
            _fail(self.span, outcome.error_kind)
        self.ended = True
        self.span.end()


def _span_id(job_id: str, path: str | None = None) -> int:
    """The id of the span of a job, or of its step at `path`; never 0, which is none."""
    name = job_id if path is None else f"{job_id}/{path}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) or 1


def _known(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}


def _finish(span: Span, at: datetime, error_kind: str | None, *, failed: bool) -> None:
    if failed:
        _fail(span, error_kind or ErrorKind.INTERNAL)
    span.end(_nanoseconds(at))


def _fail(span: Span, kind: str) -> None:
    from opentelemetry.trace import StatusCode

    span.set_attribute(ERROR, str(kind))
    span.set_status(StatusCode.ERROR)


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1000
