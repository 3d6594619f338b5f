"""`jobs`, `show`, `trace`, `cancel`, `drive`, `feedback`: look at what happened, and step in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import typer

from cli import context, found, screen
from cli.costs import budget_fields
from cli.screen import Json
from cli.times import parse_moments
from db.budgets import job_account
from db.overdue import stuck_job_ids
from mirepoix.ledger.read import read_jobs
from mirepoix.ledger.tables import now
from mirepoix.states import FeedbackSource
from mirepoix.views import JobView, usd_text

STUCK_AFTER_LEASES = 2

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The id of a job.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (jobs, show, trace, cancel, drive, feedback):
        app.command()(command)


def jobs(
    state: found.State = None,
    pipeline: found.Pipeline = None,
    tenant: found.Tenant = None,
    model: found.Model = None,
    provider: found.Provider = None,
    since: found.Since = None,
    until: found.Until = None,
    text: found.Words = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at the most.")] = 20,
    stuck: Annotated[bool, typer.Option("--stuck", help="Only jobs that wait for longer than they should.")] = False,
    json: Json = False,
) -> None:
    """List jobs, the newest first."""
    with context.client() as client:
        if stuck:
            patience = timedelta(seconds=client.settings.lease * STUCK_AFTER_LEASES)
            with client.database.read() as connection:
                views = read_jobs(connection, stuck_job_ids(connection, patience, limit))
        else:
            begin, end = parse_moments(since, until, now())
            views = client.jobs(
                state=state,
                pipeline=pipeline,
                tenant=tenant,
                model=model,
                provider=provider,
                since=begin,
                until=end,
                text=text,
                limit=limit,
            )
    if json:
        for view in views:
            screen.print_json(view)
    else:
        _print_jobs(views)


def _print_jobs(views: Sequence[JobView]) -> None:
    rows = [
        (
            view.job,
            view.state.value,
            screen.version_of(view),
            ", ".join(view.models),
            str(view.calls),
            usd_text(view.cost_usd),
            f"{view.latency_s:.2f}",
            screen.shown(view.error or view.output, 60),
        )
        for view in views
    ]
    screen.print_table(["job", "state", "pipeline", "models", "calls", "USD", "s", "output"], rows)


def show(job: JobId, json: Json = False) -> None:
    """Show one job: its state, output, cost, models."""
    with context.client() as client:
        view = client.get(job).view()
        with client.database.read() as connection:
            account = None if view.max_cost_usd is None else job_account(connection, job, view.max_cost_usd)
    budget = None if account is None else budget_fields(account)
    if json:
        screen.print_json({**view.model_dump(mode="json"), "budget": budget})
        return
    screen.print_job(view)
    if view.tags:
        tags = ", ".join(f"{name}={value}" for name, value in sorted(view.tags.items()))
        screen.out.print(f"tags: {screen.harmless(tags)}", markup=False, highlight=False)
    for given in view.feedback:
        screen.out.print(screen.feedback_line(given))
    if budget is not None:
        parts = (f"{name.removesuffix('_usd')} {usd} USD" for name, usd in budget.items())
        screen.out.print(f"budget: {', '.join(parts)}", markup=False, highlight=False)


def trace(job: JobId, json: Json = False) -> None:
    """Show everything recorded of one job: steps, waits, decisions and why, attempts, tokens, cost, latency."""
    with context.client() as client:
        whole = client.get(job).trace()
    if json:
        screen.print_json(whole)
    else:
        screen.print_trace(whole)


def drive(job: JobId, json: Json = False) -> None:
    """Send what a job waits for to its queues again, now. Harmless: what is not lost is not done twice."""
    from workers.drive import drive_job

    settings = context.settings()
    sent = drive_job(settings, context.config(settings), job)
    if json:
        screen.print_json({"job": job, "sent": sent})
    else:
        screen.out.print(f"{job}: {', '.join(sent) or 'nothing waits to be sent'}", markup=False, highlight=False)


def feedback(
    job: JobId,
    score: Annotated[float, typer.Argument(min=0, max=1, help="From 0 (of no use) to 1 (right).")],
    note: Annotated[str | None, typer.Option(help="Why.")] = None,
    source: Annotated[FeedbackSource, typer.Option(help="Who says so.")] = FeedbackSource.USER,
    json: Json = False,
) -> None:
    """Say how good a job's answer was: routers learn from it. A newer word of a source replaces its older one."""
    with context.client() as client:
        client.get(job).feedback(score, note=note, source=source)
    if json:
        screen.print_json({"job": job, "score": score, "source": source, "note": note})
    else:
        screen.out.print(f"{job} {score:g} by {source.value}", markup=False, highlight=False)


def cancel(job: JobId, json: Json = False) -> None:
    """End a job as cancelled; what was spent stays recorded. Exits 1 when it had ended before."""
    with context.client() as client:
        handle = client.get(job)
        done = handle.cancel()
        state = handle.state
    if json:
        screen.print_json({"job": job, "state": state})
    else:
        screen.out.print(f"{job} {state}", markup=False, highlight=False)
    raise typer.Exit(0 if done else 1)
