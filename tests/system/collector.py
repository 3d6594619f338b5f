"""A collector for OpenTelemetry's protocol: keeps every span that it is sent, as the standard's own types."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

Value = str | bool | int | float | list[str]


@dataclass(frozen=True)
class Told:
    """A span, with ids in hex; `service` is who sent it."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: str
    failed: bool
    start: int
    end: int
    attributes: dict[str, Value]
    events: int


@dataclass
class Collector:
    """`url` to send to, all spans so far, and the raw bytes of all requests."""

    url: str
    spans: list[Told] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)

    def trace_of(self, job_id: str) -> list[Told]:
        """All spans of the trace that the job is in."""
        traces = {span.trace_id for span in self.spans if span.attributes.get("mirepoix.job.id") == job_id}
        return [span for span in self.spans if span.trace_id in traces]


@contextmanager
def collecting_grpc() -> Iterator[Collector]:
    """Run one that speaks gRPC."""
    server = grpc.server(ThreadPoolExecutor(4))
    collector = Collector(f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")

    class Service(TraceServiceServicer):
        def Export(  # noqa: N802 - the protocol's own name
            self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
        ) -> ExportTraceServiceResponse:
            collector.raw.append(request.SerializeToString())
            collector.spans += _read(request)
            return ExportTraceServiceResponse()

    add_TraceServiceServicer_to_server(Service(), server)  # type: ignore[no-untyped-call]  # generated, without types
    server.start()
    try:
        yield collector
    finally:
        server.stop(None).wait(5)


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run one that speaks HTTP."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces", self.path
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            collector.raw.append(body)
            collector.spans += _read(ExportTraceServiceRequest.FromString(body))
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def _read(request: ExportTraceServiceRequest) -> Iterator[Told]:
    for group in request.resource_spans:
        service = _attributes(group.resource.attributes)["service.name"]
        for scope in group.scope_spans:
            for span in scope.spans:
                yield Told(
                    service=str(service),
                    name=span.name,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                    failed=span.status.code == span.status.STATUS_CODE_ERROR,
                    start=span.start_time_unix_nano,
                    end=span.end_time_unix_nano,
                    attributes=_attributes(span.attributes),
                    events=len(span.events),
                )


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Value]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Value:
    which = value.WhichOneof("value")
    if which == "array_value":
        return [each.string_value for each in value.array_value.values]
    found: Value = getattr(value, str(which))
    return found
