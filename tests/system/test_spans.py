"""One trace from the producer over real workers to the provider's request, as a collector receives it."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.context import attach, detach
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes, messaging_attributes
from opentelemetry.semconv.attributes import error_attributes, http_attributes, server_attributes
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context
from sqlalchemy import select

from mirepoix.errors import InputError
from mirepoix.ledger.accept import Submission
from mirepoix.ledger.tables import Attempt, Batch
from mirepoix.spans import submitting
from mirepoix.states import BatchState, ErrorKind
from tests.system.collector import Collector, Told, collecting, collecting_grpc
from tests.system.tap import Tap, tapped
from tests.system.world import World, open_world

pytestmark = [pytest.mark.system, pytest.mark.long]

BATCHES = Path(__file__).parent / "batches.yaml"
MARKER = "Zanzibar7391"
NEST = f"What is the capital of {MARKER}?"
CONVENTIONS = {
    value
    for module in (gen_ai_attributes, messaging_attributes, error_attributes, http_attributes, server_attributes)
    for name, value in vars(module).items()
    if name.isupper() and isinstance(value, str)
}
OPERATIONS = {value.value for value in gen_ai_attributes.GenAiOperationNameValues}
PROVIDERS = {value.value for value in gen_ai_attributes.GenAiProviderNameValues}


@dataclass
class Line:
    """A world whose processes all send their spans to `collector`."""

    world: World
    collector: Collector


@dataclass
class TappedLine(Line):
    """`tap` hears the requests to providers."""

    tap: Tap


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TappedLine]:
    with ExitStack() as stack:
        collector = stack.enter_context(collecting())
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        world = stack.enter_context(open_world(tmp_path_factory.mktemp("spans"), time_scale=0.01, settings=variables))
        tap = stack.enter_context(tapped(str(world.settings.emulator_url)))
        world.environ["MIREPOIX_EMULATOR_URL"] = tap.url
        world.start_workers("orchestrate", "openai", "anthropic", "local")
        yield TappedLine(world, collector, tap)
        world.close()


@pytest.fixture(scope="module")
def batching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """Workers that send batches, which end three seconds later, and tell their spans over gRPC."""
    with ExitStack() as stack:
        collector = stack.enter_context(collecting_grpc())
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        home = tmp_path_factory.mktemp("batching")
        world = stack.enter_context(open_world(home, config=BATCHES, time_scale=1 / 20, settings=variables))
        world.start_workers("orchestrate", "openai")
        yield Line(world, collector)
        world.close()


def collected(line: Line, job: dict[str, Any]) -> list[Told]:
    """The job's trace, once its end and all its calls have been told and no span's parent is missing."""

    def whole() -> bool:
        spans = line.collector.trace_of(job["job"])
        ids = {span.span_id for span in spans}
        told = Counter(str(span.attributes.get("gen_ai.operation.name")) for span in spans)
        ended = told["invoke_workflow"] == 1 and told["chat"] == job["calls"]
        return ended and all(span.parent_id in ids or not span.parent_id for span in spans)

    line.world.until(whole, "the whole trace", 20)
    return line.collector.trace_of(job["job"])


def is_sent(world: World, job_id: str) -> bool:
    """Whether a request of the job is out in a batch."""
    query = select(Batch.state).join(Attempt, Attempt.batch == Batch.id).where(Attempt.job_id == job_id)
    with world.database.read() as connection:
        return connection.scalar(query) == BatchState.SENT


def line_above(span: Told, spans: list[Told]) -> list[str]:
    by_id = {each.span_id: each for each in spans}
    names = [span.name]
    while span.parent_id:
        span = by_id[span.parent_id]
        names.append(span.name)
    return names


def test_a_trace_leads_from_the_producer_over_workers_to_the_providers_request(line: TappedLine) -> None:
    (job,) = line.world.lines("submit", "nest", NEST, "--wait")
    spans = collected(line, job)
    print(Counter(f"{span.service}: {span.name.split()[0]}" for span in spans))
    assert len({span.trace_id for span in spans}) == 1
    assert len({span.span_id for span in spans}) == len(spans)
    roots = [span for span in spans if not span.parent_id]
    assert [(root.name, root.kind, root.service) for root in roots] == [("submit nest", "PRODUCER", "mirepoix")]

    deep = next(span for span in spans if span.name == "call verdict.members.0.tiers.0")
    asked = next(span for span in spans if span.parent_id == deep.span_id)
    assert (asked.kind, asked.service) == ("CLIENT", "mirepoix-worker")
    assert line_above(asked, spans) == [
        f"chat {asked.attributes['gen_ai.request.model']}",
        "call verdict.members.0.tiers.0",
        "cascade verdict.members.0",
        "ensemble verdict",
        "chain $",
        "invoke_workflow nest",
        "submit nest",
    ]
    requests = {span.span_id for span in spans if span.kind == "CLIENT"}
    heard = {headers["traceparent"].split("-")[2] for headers in line.tap.headers if "traceparent" in headers}
    assert len(requests) >= 5
    assert requests <= heard, "each provider was told the span of its request"
    trace_ids = {headers["traceparent"].split("-")[1] for headers in line.tap.headers if "traceparent" in headers}
    assert spans[0].trace_id in trace_ids


def test_names_and_attributes_are_those_of_the_conventions_and_hold_no_content(line: TappedLine) -> None:
    (job,) = line.world.lines("submit", "nest", NEST, "--wait")
    spans = collected(line, job)
    unknown = {
        name
        for span in spans
        for name in span.attributes
        if name not in CONVENTIONS and not name.startswith("mirepoix.")
    }
    assert not unknown
    for call in (span for span in spans if span.kind == "CLIENT"):
        said = call.attributes
        assert said["gen_ai.operation.name"] in OPERATIONS
        assert said["gen_ai.provider.name"] in PROVIDERS
        assert said["gen_ai.request.model"] == said["gen_ai.response.model"]
        assert int(str(said["gen_ai.usage.input_tokens"])) > 0
        assert int(str(said["gen_ai.usage.output_tokens"])) > 0
        assert said["gen_ai.response.finish_reasons"] in (["stop"], ["end_turn"])
        assert said["server.address"] == "127.0.0.1"
        assert said["http.response.status_code"] == 200
    told = sum(float(str(span.attributes.get("mirepoix.cost_usd", 0))) for span in spans)
    assert told == pytest.approx(float(job["cost_usd"]))
    assert all(span.start <= span.end for span in spans)
    above = {span.span_id: span for span in spans}
    early = [span.name for span in spans if span.parent_id and span.start < above[span.parent_id].start - 50_000_000]
    assert not early, "no span begins before the one above it"
    assert all(span.events == 0 for span in spans)
    assert MARKER.encode() not in b"".join(line.collector.raw)


def test_a_job_that_fails_says_why_and_goes_on_from_a_given_context(line: TappedLine) -> None:
    context = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with line.world.client() as client:
        handle = client.submit("fails", f"{MARKER} is not JSON", traceparent=context)
        handle.wait(30)
    line.world.until(
        lambda: any(span.name == "invoke_workflow fails" for span in line.collector.spans), "the job's span", 20
    )
    spans = [span for span in line.collector.spans if span.trace_id == context.split("-")[1]]
    by_name = {span.name.split()[0]: span for span in spans}
    assert by_name["invoke_workflow"].parent_id == context.split("-")[2]
    assert {name: span.failed for name, span in by_name.items()} == {
        "invoke_workflow": True,
        "call": True,
        "chat": True,
    }
    assert {span.attributes["error.type"] for span in spans} == {"model_error"}


def test_a_batched_call_has_its_span_from_joining_to_its_answer(batching: Line) -> None:
    with batching.world.client() as client:
        handle = client.submit("ask_luna", MARKER, latency="batch")
        view = handle.wait(60)
        ((attempt,),) = (call.attempts for call in handle.trace().steps[0].calls)
    spans = collected(batching, {"job": handle.id, "calls": 1})
    (asked,) = (span for span in spans if span.kind == "CLIENT")
    assert line_above(asked, spans) == ["chat gpt-6-luna", "call $", "invoke_workflow ask_luna"]
    assert (asked.service, asked.failed) == ("mirepoix-worker", False)
    assert asked.start == pytest.approx(attempt.started_at.timestamp() * 1e9, abs=1_000_000)
    assert asked.end - asked.start > 3_000_000_000, "as long as its batch was out"
    assert float(str(asked.attributes["mirepoix.cost_usd"])) == pytest.approx(float(view.cost_usd))
    assert int(str(asked.attributes["gen_ai.usage.output_tokens"])) > 0
    assert not {name for name in asked.attributes if name not in CONVENTIONS and not name.startswith("mirepoix.")}
    assert MARKER.encode() not in b"".join(batching.collector.raw)


def test_a_cancelled_job_is_told_with_its_steps_and_calls(batching: Line) -> None:
    with batching.world.client() as client:
        handle = client.submit("ask_luna", "Nobody waits for this.", latency="batch")
        batching.world.until(lambda: is_sent(batching.world, handle.id), "its batch to be sent")
        assert handle.cancel()
    spans = collected(batching, {"job": handle.id, "calls": 1})
    job, step, asked = (
        next(span for span in spans if span.name.startswith(name)) for name in ("invoke_workflow", "call", "chat")
    )
    assert line_above(asked, spans) == [asked.name, step.name, job.name]
    assert job.attributes["mirepoix.job.state"] == step.attributes["mirepoix.step.state"] == "cancelled"
    assert (job.failed, step.failed) == (False, False), "to be cancelled is no failure"
    assert asked.attributes["error.type"] == ErrorKind.UNANSWERED


def test_an_unsampled_producer_keeps_workers_and_requests_silent(line: TappedLine) -> None:
    context = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    with line.world.client() as client:
        client.submit("only_openai", "hello", traceparent=context).result(30)
    (job,) = line.world.lines("submit", "only_openai", "hello", "--wait")
    collected(line, job)
    assert not [span for span in line.collector.spans if span.trace_id == context.split("-")[1]]


def test_without_an_endpoint_nothing_is_loaded_that_records(line: TappedLine) -> None:
    code = (
        "import sys; from mirepoix import Client, Settings; client = Client(Settings.from_env());"
        "handle = client.submit('only_openai', 'hello');"
        "assert 'opentelemetry.sdk.trace' not in sys.modules, 'imported'; print(handle.id)"
    )
    environ = line.world.environ | {"OTEL_SDK_DISABLED": "true"}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.strip()) == 26


def test_spans_go_over_grpc_where_that_is_wanted(line: TappedLine) -> None:
    with collecting_grpc() as collector:
        wanted = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
        line.world.run_with(wanted, "submit", "only_openai", MARKER)
        line.world.until(lambda: bool(collector.spans), "the producer's span", 20)
    (submitted,) = collector.spans
    assert (submitted.name, submitted.kind, submitted.service) == ("submit only_openai", "PRODUCER", "mirepoix")
    assert not {name for name in submitted.attributes if name not in CONVENTIONS and not name.startswith("mirepoix.")}
    assert MARKER.encode() not in b"".join(collector.raw)
    refused = line.world.run_with({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "jobs", check=2).stderr
    assert "must be grpc or http/protobuf" in refused


def test_tracestate_is_carried_from_the_producer_to_the_providers_request(line: TappedLine) -> None:
    trace_id, state = "3af7651916cd43dd8448eb211c80319c", "vendor=t61rcWkgMzE,other=1"
    with line.world.client() as client:
        again = client.submit("nest", NEST, traceparent=f"00-{trace_id}-b7ad6b7169203331-01", tracestate=state)
        again.wait(30)
    told = [headers for headers in line.tap.headers if trace_id in headers.get("traceparent", "")]
    assert told
    assert {headers.get("tracestate") for headers in told} == {state}


def test_the_state_of_an_applications_own_span_goes_with_its_jobs() -> None:
    given = SpanContext(7, 8, is_remote=True, trace_flags=TraceFlags(1), trace_state=TraceState([("vendor", "x")]))
    token = attach(set_span_in_context(NonRecordingSpan(given)))
    try:
        with submitting("ask", [Submission("hello")]) as made:
            (job,) = made.jobs
    finally:
        detach(token)
    assert (job.traceparent, job.tracestate) == (f"00-{7:032x}-{8:016x}-01", "vendor=x")


@pytest.mark.parametrize("state", ["", "x" * 513, "a=b\r\nX-Evil: 1", "a=\u00e9"])
def test_a_state_that_is_no_header_is_refused(state: str) -> None:
    with pytest.raises(InputError, match="tracestate"):
        Submission("hello", traceparent=f"00-{7:032x}-{8:016x}-01", tracestate=state)
