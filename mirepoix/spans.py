"""OpenTelemetry at the producer's door, and how its spans leave a process.

The API is looked at only where somebody has loaded it already: who wants no spans pays nothing, not even its import.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import mirepoix
from mirepoix.errors import ConfigError
from mirepoix.ledger.accept import Submission

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

SCOPE = "mirepoix"
JOB_ID = "mirepoix.job.id"
PIPELINE = "gen_ai.workflow.name"
GRPC, HTTP = "grpc", "http/protobuf"


@dataclass(frozen=True, slots=True)
class GivenIds:
    """The trace and span ids (128 and 64 bits) of a span whose parts are told by several processes."""

    trace_id: int
    span_id: int


NEXT_IDS: ContextVar[GivenIds | None] = ContextVar("mirepoix-span-ids", default=None)
"""The ids of the next span that is begun here; None: random ones."""


@dataclass(frozen=True, slots=True)
class Submitting:
    """Jobs on their way into the ledger, each with the trace context that it goes on from, and their spans."""

    jobs: Sequence[Submission]
    spans: Sequence[Span] = ()

    def accepted(self, job_ids: Sequence[str]) -> None:
        """Tell each span which job became of it."""
        for span, job_id in zip(self.spans, job_ids, strict=False):
            span.set_attribute(JOB_ID, job_id)


@contextmanager
def submitting(pipeline: str, jobs: Sequence[Submission]) -> Iterator[Submitting]:
    """A producer span for each of `jobs` that does not come with a trace context of its own.

    They are children of the caller's current span; where nobody records spans, the jobs are left as they are.
    """
    if "opentelemetry.trace" not in sys.modules:
        yield Submitting(jobs)
        return
    from opentelemetry.trace import SpanKind, get_tracer

    tracer = get_tracer(SCOPE, mirepoix.__version__)
    attributes = {PIPELINE: pipeline, "messaging.system": "celery", "messaging.operation.type": "send"}
    spans = [tracer.start_span(f"submit {pipeline}", kind=SpanKind.PRODUCER, attributes=attributes) for _ in jobs]
    try:
        yield Submitting([_traced(job, span) for job, span in zip(jobs, spans, strict=True)], spans)
    except Exception as error:  # raised again: what a submission ends with is only told to its spans
        for span in spans:
            span.set_attribute("error.type", type(error).__qualname__)
        raise
    finally:
        for span in spans:
            span.end()


def context_of(span: Span) -> dict[str, str]:
    """The W3C trace context of `span` as headers: `traceparent`, and `tracestate` if there is any; {} without one."""
    from opentelemetry.trace import set_span_in_context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier, set_span_in_context(span))
    return carrier


def outgoing() -> dict[str, str]:
    """The headers that tell a provider which span its request belongs to; none where no span is recorded."""
    if "opentelemetry.trace" not in sys.modules:
        return {}
    from opentelemetry.trace import get_current_span

    return context_of(get_current_span())


def open_export(service: str, environ: Mapping[str, str] = os.environ) -> TracerProvider:
    """Spans begun with it go to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names, in batches.

    Over HTTP, or gRPC where OTEL_EXPORTER_OTLP_PROTOCOL says so. `service` is the name that OTEL_SERVICE_NAME changes.
    Raises ImportError without the extra `otel`, ConfigError for a protocol that is neither.
    """
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class Ids(RandomIdGenerator):
        """Random, unless `NEXT_IDS` says which."""

        def generate_span_id(self) -> int:
            given = NEXT_IDS.get()
            return super().generate_span_id() if given is None else given.span_id

        def generate_trace_id(self) -> int:
            given = NEXT_IDS.get()
            return super().generate_trace_id() if given is None else given.trace_id

    named = environ.get("OTEL_SERVICE_NAME") or "service.name=" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    resource = Resource.create({} if named else {"service.name": service})
    provider = TracerProvider(resource=resource, id_generator=Ids())
    provider.add_span_processor(BatchSpanProcessor(_exporter(environ)))
    return provider


def _exporter(environ: Mapping[str, str]) -> SpanExporter:
    """What speaks the protocol that is wanted, as OpenTelemetry's specification of environment variables has it."""
    name = "OTEL_EXPORTER_OTLP_PROTOCOL"
    wanted = environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environ.get(name) or HTTP
    if wanted == GRPC:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter

        return GrpcExporter()
    if wanted != HTTP:
        raise ConfigError(f"{name} is {wanted!r}; it must be {GRPC} or {HTTP}.")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


def _traced(job: Submission, span: Span) -> Submission:
    if job.traceparent is not None:
        return job
    context = context_of(span)
    return replace(job, traceparent=context.get("traceparent"), tracestate=context.get("tracestate"))
