"""`prune`, `export`: what is kept, and for how long; and how to take it elsewhere."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated

import typer

from cli import context, found, screen
from cli.screen import Json
from cli.times import parse_moment, parse_moments
from db.prune import ENDED, count_old
from db.prune import prune as prune_ledger
from mirepoix.errors import InputError
from mirepoix.ledger.search import SearchFields
from mirepoix.ledger.tables import now
from mirepoix.states import JobState
from mirepoix.views import ExportedTrace

Sink = IO[bytes] | gzip.GzipFile


class Format(StrEnum):
    """As what traces are exported."""

    JSONL = "jsonl"
    PARQUET = "parquet"


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (prune, export):
        app.command()(command)


def prune(
    older_than: Annotated[str, typer.Option(help="Delete jobs that ended longer ago than this: 30d, 12h, 90m.")],
    state: Annotated[list[JobState] | None, typer.Option(help="Only jobs in this state; may be repeated.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many jobs would go.")] = False,
    json: Json = False,
) -> None:
    """Delete old jobs with their traces, and texts and trained versions that nothing needs, while others work."""
    states = tuple(state or ENDED)
    if not set(states) <= set(ENDED):
        raise InputError("only jobs that have ended can be deleted: succeeded, failed, cancelled.")
    before = parse_moment(older_than, now())
    if before > now():
        raise InputError(f"{older_than!r} is yet to come; jobs that ended before a time that is past can be deleted.")
    with context.client() as client:
        if dry_run:
            jobs, contents, versions = count_old(client.database, before, states), None, None
        else:
            done = list(prune_ledger(client.database, before, states))
            jobs, contents = sum(pruned.jobs for pruned in done), sum(pruned.contents for pruned in done)
            versions = sum(pruned.versions for pruned in done)
    if json:
        told = {"jobs": jobs, "contents": contents, "routers": versions, "before": before, "dry_run": dry_run}
        screen.print_json(told)
    elif dry_run:
        screen.out.print(f"{jobs} jobs would be deleted", highlight=False)
    else:
        screen.out.print(f"{jobs} jobs, {contents} texts and {versions} trained versions deleted", highlight=False)


def export(
    state: found.State = None,
    pipeline: found.Pipeline = None,
    tenant: found.Tenant = None,
    model: found.Model = None,
    provider: found.Provider = None,
    since: found.Since = None,
    until: found.Until = None,
    text: found.Words = None,
    format: Annotated[Format, typer.Option(help="jsonl: a trace a line; parquet: a row a job.")] = Format.JSONL,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file; left out: standard output.")] = None,
    gzip: Annotated[bool, typer.Option("--gzip", help="Compress; a file whose name ends in .gz is always.")] = False,
) -> None:
    """Write whole traces, with prompts and answers as far as they are stored, the oldest job first."""
    begin, end = parse_moments(since, until, now())
    fields: SearchFields = {
        "state": state,
        "pipeline": pipeline,
        "tenant": tenant,
        "model": model,
        "provider": provider,
        "since": begin,
        "until": end,
        "text": text,
    }
    with context.client() as client, ExitStack() as stack:
        to: Sink = sys.stdout.buffer
        if output is not None:
            to = stack.enter_context(output.open("wb"))
        if gzip or (output is not None and output.suffix == ".gz"):
            compressed = stack.enter_context(_compressed(to))
            to = compressed
        traces = client.export(**fields)
        if format is Format.PARQUET:
            _write_parquet(traces, to)
        else:
            for trace in traces:
                to.write(screen.json_line(trace).encode())
        to.flush()


def _compressed(to: Sink) -> gzip.GzipFile:
    return gzip.GzipFile(fileobj=to, mode="wb", compresslevel=6, mtime=0)


def _write_parquet(traces: Iterator[ExportedTrace], to: Sink) -> None:
    try:
        from cli.parquet import write_parquet
    except ImportError as error:
        raise InputError("parquet needs pyarrow: pip install 'mirepoix[parquet]'.") from error
    write_parquet(traces, to)
