"""`submit`: put questions."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli import context, screen
from cli.attach import with_files
from cli.jsonl import read_lines
from cli.screen import Json
from cli.stream import print_stream
from mirepoix.client import Client, Handle
from mirepoix.errors import InputError
from mirepoix.ledger.accept import Options, Submission
from mirepoix.states import JobState, Latency
from mirepoix.strict import unknown
from mirepoix.tags import parse_tags
from mirepoix.views import JobView

T = TypeVar("T")
FIELDS: dict[str, tuple[type, ...]] = {
    "input": (object,),
    "tenant": (str,),
    "key": (str,),
    "task": (str,),
    "max_cost": (str, int, float),
    "deadline": (int, float),
    "latency": (str,),
    "priority": (int,),
    "tags": (dict,),
    "callback": (str,),
}


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(submit)


def submit(
    pipeline: Annotated[str, typer.Argument(help="A pipeline of mirepoix.yaml.")],
    text: Annotated[str | None, typer.Argument(help="The input; left out: standard input.")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="Read the input from this file.")] = None,
    jsonl: Annotated[
        Path | None,
        typer.Option("--jsonl", help="Many jobs: a line each, a JSON text or {input, tenant?, key?, task?, …}."),
    ] = None,
    attach: Annotated[
        list[Path] | None, typer.Option("--attach", help="Send this picture or document along; may be given again.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the answer.")] = False,
    stream: Annotated[bool, typer.Option("--stream", help="Wait, and print the answer while it comes.")] = False,
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds to wait at the most.")] = None,
    tenant: Annotated[str, typer.Option(help="Whom the job is billed to.")] = "default",
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same key gives the same job.")] = None,
    task: Annotated[str | None, typer.Option(help="What kind of work it is, for routes by task.")] = None,
    max_cost: Annotated[str | None, typer.Option(metavar="USD", help="What its calls may cost at the most.")] = None,
    deadline: Annotated[float | None, typer.Option(metavar="S", help="Seconds from now until it fails.")] = None,
    latency: Annotated[
        Latency | None, typer.Option(help="Whether its calls may wait for a batch at a lower price.")
    ] = None,
    priority: Annotated[int, typer.Option(metavar="N", help="Of a tenant's jobs the highest start first.")] = 0,
    tag: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="For `costs --by tag:NAME`; may be given again.")
    ] = None,
    callback: Annotated[
        str | None, typer.Option(metavar="URL", help="Tell this address when the job has ended.")
    ] = None,
    wait_broker: Annotated[bool, typer.Option(help="Accept the job even while the broker is away.")] = True,
    json: Json = False,
) -> None:
    """Submit one job, or many; prints ids, or with --wait the answers. Exits 1 when a job did not succeed."""
    bounds = Options(max_cost=_usd(max_cost), deadline=deadline, latency=latency, priority=priority)
    options = Options(tenant=tenant, key=key, task=task, stream=stream, **bounds)
    options |= Options(tags=parse_tags(tag or []), callback=callback)
    with context.client() as client:
        if jsonl is not None:
            if text is not None or file is not None or key is not None or attach or stream:
                raise InputError("--jsonl holds the inputs; it goes with no TEXT, --file, --attach, --key or --stream.")
            handles = _submit_lines(client, pipeline, read_jsonl(jsonl, options), quiet=json)
        else:
            given = with_files(_one_input(text, file), attach or [])
            handles = [client.submit(pipeline, given, wait_broker=wait_broker, **options)]
        _warn_unpublished(handles)
        if stream:
            succeeded = print_stream(handles[0], timeout, json=json).state is JobState.SUCCEEDED
        elif wait:
            succeeded = _print_ended(client, handles, timeout, json=json) == 0
        else:
            _print_accepted(handles, json=json)
            return
    raise typer.Exit(0 if succeeded else 1)


def _submit_lines(client: Client, pipeline: str, lines: Iterable[Submission], *, quiet: bool) -> list[Handle]:
    batches = client.submit_batches(pipeline, lines)
    jobs = (handle for batch in batches for handle in batch)
    return list(_with_progress(jobs, "submitted", None, quiet=quiet))


def read_jsonl(path: Path, options: Options) -> Iterator[Submission]:
    """The jobs of a file, a line each, `options` where a line says nothing; raises InputError that names the line."""
    for where, value in read_lines(path):
        yield _submission(value, where, options)


def _submission(value: Any, where: str, options: Options) -> Submission:
    if isinstance(value, str):
        return Submission(value, **options)
    if not isinstance(value, dict) or "input" not in value:
        raise InputError(f"{where}: a line is a JSON text, or an object with an 'input'.")
    for name in value:
        if name not in FIELDS:
            raise InputError(f"{where}: {unknown(f'field {name!r}', name, FIELDS)}")
    for name, given in value.items():
        if not isinstance(given, FIELDS[name]) or (isinstance(given, bool) and name != "input"):
            raise InputError(f"{where}: {name!r} must be {' or '.join(kind.__name__ for kind in FIELDS[name])}.")
    said: dict[str, Any] = {**options, **value}
    said["max_cost"] = _usd(None if said["max_cost"] is None else str(said["max_cost"]))
    try:
        return Submission(**said)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _usd(text: str | None) -> Decimal | None:
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation as error:
        raise InputError(f"max_cost is {text!r}; it must be an amount in USD, like 0.05.") from error


def _one_input(text: str | None, file: Path | None) -> str:
    if text is not None and file is not None:
        raise InputError("give TEXT or --file, not both.")
    try:
        if file is not None:
            return file.read_text(encoding="utf-8")
        return sys.stdin.read() if text is None or text == "-" else text
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the input cannot be read: {error}.") from error


def _warn_unpublished(handles: list[Handle]) -> None:
    away = sum(not handle.published for handle in handles)
    if away:
        screen.err.print(
            f"the broker cannot be reached; {away} job(s) are accepted in the ledger and go out when it is back "
            "(`mirepoix up` starts one).",
            style="yellow",
            markup=False,
        )


def _print_accepted(handles: list[Handle], *, json: bool) -> None:
    for handle in handles:
        if json:
            screen.print_json({"job": handle.id, "state": JobState.QUEUED})
        else:
            screen.out.print(handle.id, markup=False, highlight=False)


def _print_ended(client: Client, handles: list[Handle], timeout: float | None, *, json: bool) -> int:
    failed = 0
    ended = client.as_ended(handles, timeout)
    many = len(handles) > 1
    for view in _with_progress(ended, "ended", len(handles), quiet=json or not many):
        failed += view.state is not JobState.SUCCEEDED
        _print_view(view, json=json)
    return failed


def _print_view(view: JobView, *, json: bool) -> None:
    if json:
        screen.print_json(view)
    else:
        screen.print_job(view)


def _with_progress(items: Iterator[T], what: str, total: int | None, *, quiet: bool) -> Iterator[T]:
    """Pass `items` on, and show on stderr how many there have been."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=screen.err, disable=quiet or not screen.err.is_terminal) as progress:
        bar = progress.add_task(what, total=total)
        for item in items:
            progress.advance(bar)
            yield item
