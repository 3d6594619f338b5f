"""`replay`: run a job again against recorded answers, or ask its models again, and show what differs."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from cli import context, screen
from cli.jobs import JobId
from cli.screen import Json
from mirepoix.again import Again
from mirepoix.client import Client
from mirepoix.errors import InputError, NotFound
from mirepoix.paths import walk
from mirepoix.spec import parse
from mirepoix.states import JobState
from mirepoix.strict import unknown
from mirepoix.views import Decision, TraceView, usd_text
from pipelines.check import check_pipeline
from pipelines.replay import (
    Library,
    Outcome,
    Replay,
    ReplayedDecision,
    Walk,
    compare,
    pins_of,
    steps_before,
    walk_recorded,
    walk_with,
)
from tasks.trained import Trained

MARKS = {
    Outcome.SAME: ("=", "green"),
    Outcome.FACT: ("=", "dim"),
    Outcome.OTHERWISE: ("~", "yellow"),
    Outcome.CHANGED: ("!", "red"),
    Outcome.NEW: ("+", "cyan"),
    Outcome.GONE: ("-", "magenta"),
}


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(replay)


def replay(
    job: JobId,
    config_now: Annotated[
        bool, typer.Option("--config-now", help="With the pipeline of that name as mirepoix.yaml has it now.")
    ] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Ask the models again, along the recorded routes; costs money.")
    ] = False,
    from_step: Annotated[
        str | None, typer.Option("--from", metavar="STEP", help="Ask anew from this step on; what is before stays.")
    ] = None,
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds to wait for a live one at the most.")] = None,
    json: Json = False,
) -> None:
    """Run a job again against its recorded answers; nobody is asked. Exits 1 when something comes out otherwise.

    With --live or --from it becomes a new job, whose output, cost and latency are shown beside those of the old one.
    """
    asks = live or from_step is not None
    if asks and config_now:
        raise InputError("--config-now asks nobody; --live and --from run the pipeline as it was.")
    with context.client() as client:
        trace = client.get(job).trace()
        if asks:
            raise typer.Exit(run_again(client, trace, from_step, timeout, json=json))
        found = compare(trace, walk_now(client, trace) if config_now else walk_then(client, trace))
    if json:
        screen.print_json(found.model_dump(mode="json") | {"changes": len(found.changes)})
    else:
        _print(found)
    raise typer.Exit(0 if found.same else 1)


def walk_then(client: Client, trace: TraceView) -> Walk:
    """The job in its pipeline as it was. Raises PipelineError."""
    with client.database.read() as connection:
        routers = Trained().routers_then(connection, trace)
    return walk_recorded(trace, client.config, routers=routers)


def walk_now(client: Client, trace: TraceView) -> Walk:
    """The job in the pipeline of that name as it is configured now. Raises NotFound, PipelineError."""
    config = client.config
    if trace.pipeline not in config.pipelines:
        raise NotFound(unknown(f"pipeline {trace.pipeline!r}", trace.pipeline, config.pipelines))
    spec = config.pipelines[trace.pipeline]
    check_pipeline(trace.pipeline, spec, config)
    library, trained = Library(), Trained()
    with client.database.read() as connection:
        then = trained.routers_then(connection, trace)
        now = trained.routers_of(connection, walk(spec))
    walk_recorded(trace, config, library, then)
    return walk_with(trace, spec, config, library, {**now, **then})


def run_again(client: Client, trace: TraceView, from_step: str | None, timeout: float | None, *, json: bool) -> int:
    """Run the job again as a new one and show both; the exit code. Raises NotFound, ResultTimeout."""
    spec = parse(trace.spec)
    steps = () if from_step is None else tuple(steps_before(trace, spec, from_step))
    handle = client.submit_again(Again(job=trace.job, pins=pins_of(trace, spec, from_step), steps=steps))
    after = handle.wait(timeout)
    before = client.get(trace.job).view()
    if json:
        shown = {"before": before.model_dump(mode="json"), "after": after.model_dump(mode="json")}
        screen.print_json({**shown, "same_output": before.output == after.output, "taken_over": list(steps)})
    else:
        rows = [
            ("job", before.job, after.job),
            ("state", before.state, after.state),
            ("models", ", ".join(before.models), ", ".join(after.models)),
            ("calls", str(before.calls), f"{after.calls}, {len(steps)} of them taken over"),
            ("USD", usd_text(before.cost_usd), usd_text(after.cost_usd)),
            ("seconds", f"{before.latency_s:.2f}", f"{after.latency_s:.2f}"),
            ("output", *(screen.shown(view.error or view.output) for view in (before, after))),
        ]
        screen.print_table(["", "before", "after"], rows)
    return 0 if after.state is JobState.SUCCEEDED else 1


def _print(found: Replay) -> None:
    same = sum(one.outcome in (Outcome.SAME, Outcome.FACT) for one in found.decisions)
    versions = (
        found.version if found.version == found.replayed_version else f"{found.version} as {found.replayed_version}"
    )
    screen.out.print(Text(f"{found.job} {found.pipeline}@{versions}"))
    for one in found.decisions:
        _print_decision(one)
    for call in found.unasked:
        screen.out.print(
            Text(f"? {call.path}: not recorded: this question was never put to {call.model}", style="cyan")
        )
    for path, fact in found.facts.items():
        screen.out.print(Text(f"  {path}: taken as recorded: {fact}", style="dim"))
    output = "the output is the same" if found.same_output else _output(found)
    screen.out.print(Text(f"{same} of {len(found.decisions)} decisions come out the same; {output}"))


def _print_decision(one: ReplayedDecision) -> None:
    mark, style = MARKS[one.outcome]
    screen.out.print(Text(f"{mark} {one.path} {one.kind} {one.number + 1}: {_told(one)}", style=style))
    if one.outcome in (Outcome.CHANGED, Outcome.OTHERWISE):
        screen.out.print(Text(f"    recorded: {_reason(one.recorded)}"))
        screen.out.print(Text(f"    now:      {_reason(one.replayed)}"))
    if one.outcome is Outcome.OTHERWISE and one.differing:
        screen.out.print(Text(f"    differing features: {', '.join(one.differing)}"))


def _told(one: ReplayedDecision) -> str:
    match one.outcome:
        case Outcome.CHANGED if one.recorded is not None and one.replayed is not None:
            return f"{one.recorded.choice} -> {one.replayed.choice}"
        case Outcome.GONE if one.recorded is not None:
            return f"{one.recorded.choice} no longer"
        case Outcome.NEW if one.replayed is not None:
            return f"{one.replayed.choice}: {one.replayed.reason}"
    decision = one.replayed or one.recorded
    return "" if decision is None else decision.choice


def _reason(decision: Decision | None) -> str:
    return "nothing" if decision is None else screen.harmless(f"{decision.reason} ({decision.confidence:.2f})")


def _output(found: Replay) -> str:
    if found.state.terminal:
        return f"the output is another: {screen.shown(found.output)}"
    return "recorded answers do not lead to its output"
