"""What people and programs are shown: tables, trees, and one JSON object a line.

Texts of models and users are printed as text, never as markup.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from pydantic import BaseModel, JsonValue
from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from mirepoix.views import AttemptView, Decision, Event, FeedbackView, JobView, StepView, TraceView, usd_text

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines, one object a line.")]

SHORT = 200
WORTH_TELLING = 0.1
"""Seconds; a wait that is shorter is how long a message takes."""
STATE_STYLES = {"succeeded": "green", "failed": "red", "cancelled": "yellow", "running": "cyan"}

CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

WIDE = 200
"""Columns when nobody watches: what goes to a file or a pipe is not folded to an invented screen."""

out = Console(soft_wrap=True, width=None if sys.stdout.isatty() else WIDE)
err = Console(stderr=True, soft_wrap=True)


def print_json(value: BaseModel | dict[str, Any]) -> None:
    """One object on one line."""
    sys.stdout.write(json_line(value, sys.stdout.encoding))
    sys.stdout.flush()


def json_line(value: BaseModel | dict[str, Any], encoding: str = "utf-8") -> str:
    """One object and the line's end, as text that `encoding` can hold."""
    data = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    line = json.dumps(data, ensure_ascii=False, default=str)
    try:
        line.encode(encoding)
    except UnicodeEncodeError:  # lone surrogates, or a terminal that knows no Unicode
        line = json.dumps(data, default=str)
    return line + "\n"


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str | None = None) -> None:
    """A table; columns whose heading ends in a unit or is a count stand right."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        numeric = column.split()[-1] in ("USD", "s", "%", "calls", "jobs", "tokens", "attempts", "right")
        table.add_column(
            column, justify="right" if numeric else "left", overflow="fold", no_wrap=numeric or column == "job"
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    out.print(table)


def print_job(view: JobView) -> None:
    """The answer, and in a line below it what it took."""
    state = Text(view.state, style=STATE_STYLES.get(view.state, ""))
    if view.output is not None:
        out.print(Text(shown(view.output, limit=None)))
    if view.error:
        out.print(Text(harmless(view.error), style="red"))
    models = ", ".join(view.models) or "no model"
    out.print(
        Text(f"{view.job} ").append(state),
        Text(f"{models} · {view.calls} calls · {usd(view)} · {view.latency_s:.2f} s"),
    )
    if view.shadow_of is not None:
        out.print(Text(f"a shadow of {view.shadow_of}", style="magenta"))


def print_trace(trace: TraceView) -> None:
    """The whole job as a tree: steps, decisions with their reasons, attempts with tokens, cost and latency."""
    heading = Text(f"{trace.job} {trace.pipeline}@{trace.version} ").append(
        trace.state, style=STATE_STYLES.get(trace.state, "")
    )
    heading.append(f"  {usd_text(trace.cost_usd)} USD, {trace.latency_s:.2f} s")
    if trace.queued_s >= WORTH_TELLING:
        heading.append(f" ({trace.queued_s:.2f} s of them before it was started)", style="dim")
    tree = Tree(heading)
    _add_events(tree, trace.events)
    if trace.shadow_of is not None:
        tree.add(Text(f"a shadow of {trace.shadow_of}", style="magenta"))
    for shadow in trace.shadows:
        tree.add(Text(f"shadowed by {shadow}", style="magenta"))
    _add_decisions(tree, trace.decisions)
    tree.add(Text(f"input: {_kept(trace, trace.input)}", style="dim"))
    branches: dict[str | None, Tree] = {None: tree}
    for step in trace.steps:
        branch = branches[step.parent].add(_step_line(step))
        branches[step.path] = branch
        _add_details(branch, step)
    tree.add(
        Text(f"output: {_kept(trace, trace.output)}" if trace.error is None else f"error: {harmless(trace.error)}")
    )
    for given in trace.feedback:
        tree.add(feedback_line(given))
    out.print(tree)


def feedback_line(given: FeedbackView) -> Text:
    """`feedback: 0.8 by user: close`."""
    note = "" if given.note is None else f": {shown(given.note)}"
    return Text(f"feedback: {given.score:g} by {given.source}{note}")


def shown(value: JsonValue, limit: int | None = SHORT) -> str:
    """A value on one line, cut to `limit` characters; whole when None."""
    text = harmless(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    if limit is None:
        return text
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def harmless(text: str) -> str:
    """What a model said, without what could take over a terminal or cannot be printed on it."""
    return CONTROLS.sub("\ufffd", text).encode(sys.stdout.encoding, "replace").decode(sys.stdout.encoding)


def version_of(view: JobView) -> str:
    """The pipeline, and what about its version is not as ever."""
    return view.pipeline if view.part is None else f"{view.pipeline} ({view.part})"


def usd(view: JobView) -> str:
    """`0.00123 USD`."""
    return f"{usd_text(view.cost_usd)} USD"


def _kept(trace: TraceView, value: JsonValue) -> str:
    return "not stored" if trace.forgotten else shown(value)


def _step_line(step: StepView) -> Text:
    line = Text(f"{step.path} ", style="bold").append(f"{step.kind} ", style="magenta")
    line.append(step.state, style=STATE_STYLES.get(step.state, ""))
    if step.queued_s >= WORTH_TELLING:
        line.append(f"  waited {step.queued_s:.2f} s in its queue", style="dim")
    if step.crashes:
        line.append(f"  {step.crashes} processes died with it", style="red")
    return line


def _add_events(branch: Tree, events: Sequence[Event]) -> None:
    for event in events:
        told = f"{event.kind} {event.detail}".rstrip()
        branch.add(Text(f"{event.at:%H:%M:%S} {harmless(told)}", style="yellow"))


def _add_decisions(branch: Tree, decisions: Sequence[Decision]) -> None:
    for decision in decisions:
        reason = harmless(f"{decision.choice}: {decision.reason}")
        branch.add(Text(f"{reason} (confidence {decision.confidence:.2f})", style="cyan"))


def _add_details(branch: Tree, step: StepView) -> None:
    _add_events(branch, step.events)
    _add_decisions(branch, step.decisions)
    for call in step.calls:
        for attempt in call.attempts:
            branch.add(Text(f"{call.provider}/{call.model} {_attempt_text(attempt)}"))
    if step.error and not step.calls:
        branch.add(Text(harmless(step.error), style="red"))


def _attempt_text(attempt: AttemptView) -> str:
    parts = [attempt.outcome if attempt.status is None else f"{attempt.outcome} {attempt.status}"]
    if attempt.because != "first":
        parts.insert(0, attempt.because)
    if attempt.limit_wait_s is not None:
        parts.append(f"waited {attempt.limit_wait_s:.2f} s for leave ({attempt.limit_reason})")
    if attempt.cached:
        parts.append(f"cached from {attempt.cached_from or 'a job that is gone'}")
    if attempt.form is not None:
        parts.append(f"as {attempt.form} JSON")
    if attempt.input_tokens is not None:
        parts.append(f"{attempt.input_tokens} + {attempt.output_tokens} tokens")
    if attempt.cost_usd is not None:
        parts.append(f"{usd_text(attempt.cost_usd)} USD")
    if attempt.latency_s is not None:
        parts.append(f"{attempt.latency_s:.2f} s")
    if attempt.error:
        parts.append(harmless(attempt.error))
    return " · ".join(parts)
