"""`up`, `worker`, `flower`, `web`, `emulator`: run the house, or one of its rooms.

Each imports its room when it is called: the other commands would pay half a second for what they do not use.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

import mirepoix
from cli import context, screen
from cli.screen import Json
from mirepoix.settings import masked

if TYPE_CHECKING:
    from workers.stack import Stack


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (up, worker, flower, web, emulator):
        app.command()(command)


def up(
    emulate: Annotated[bool, typer.Option("--emulate", help="Emulate the providers: no API keys, no cost.")] = False,
    answers: Annotated[list[Path] | None, typer.Option(help="Questions that the emulated models know (JSONL).")] = None,
    time_scale: Annotated[float, typer.Option(min=0, help="Multiplies the emulated latencies; 0: no waiting.")] = 1.0,
    seed: Annotated[int, typer.Option(help="The emulator's seed.")] = 0,
    flower_port: Annotated[int, typer.Option(min=0, max=65535, help="Flower's port; 0: no Flower.")] = 5555,
    web_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of pages and HTTP API [8800, or a free one]; 0: none.")
    ] = None,
    json: Json = False,
) -> None:
    """Run everything: broker (if none is configured), a worker per provider, orchestrators, Flower, pages.

    Ctrl-C ends all.
    """
    from workers.stack import Plan, Stack

    for how in (signal.SIGTERM, signal.SIGINT):  # a shell starts its background jobs with SIGINT ignored
        signal.signal(how, _interrupt)
    settings = context.settings()
    known = tuple(answers) if answers else examples("questions.jsonl")
    plan = Plan(
        emulate, seed, time_scale, known if emulate else (), flower_port or None, web=web_port != 0, web_port=web_port
    )
    try:
        with Stack(settings, context.config(settings), plan, on_event=_tell) as stack:
            _print_running(stack, json=json)
            stack.watch()
    except KeyboardInterrupt:
        _tell("stopped")


def worker(
    names: Annotated[list[str], typer.Argument(metavar="PROVIDER…", help="Providers to serve; `orchestrate` decides.")],
    json: Json = False,
) -> None:
    """Run a worker for the queues of a provider, or a process for each of several; start as many as you like."""
    from workers.run import require_ready, run_worker
    from workers.several import run_several

    sys.path.append(str(Path.cwd()))
    settings = context.settings()
    if json:
        screen.print_json({"worker": names, "broker_url": masked(settings.broker_url)})
    config = context.config(settings)
    if len(set(names)) == 1:
        run_worker(settings, config, names[0])
    else:
        require_ready(settings, config, names)
        run_several(names)


def flower(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")] = 5555,
    json: Json = False,
) -> None:
    """Run Flower. Beyond the loopback interface it needs FLOWER_BASIC_AUTH=user:password."""
    from workers.flower import run_flower

    settings = context.settings()
    if json:
        screen.print_json({"flower_url": f"http://{host}:{port}"})
    basic_auth = os.environ.get("FLOWER_BASIC_AUTH") or None
    run_flower(settings, context.config(settings), host=host, port=port, basic_auth=basic_auth)


def web(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="The port to listen on [8800, or a free one]; 0: a free one.")
    ] = None,
    json: Json = False,
) -> None:
    """Serve the pages and the HTTP API.

    Clients beyond this machine need an API key (`mirepoix keys create`), or for the pages MIREPOIX_WEB_PASSWORD.
    """
    from web.server import listen, serve, web_url

    settings = context.settings()
    config = context.config(settings)
    listener = listen(host, port)
    if json:
        screen.print_json({"web_url": web_url(host, listener)})
    else:
        screen.out.print(f"{web_url(host, listener)} Ctrl-C ends.", markup=False, highlight=False)
    password = os.environ.get("MIREPOIX_WEB_PASSWORD") or None
    serve(settings, config, host=host, listener=listener, password=password)


def emulator(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0: a free one.")] = 8900,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    seed: Annotated[int, typer.Option(help="The same seed gives the same answers.")] = 0,
    time_scale: Annotated[float, typer.Option(min=0, help="Multiplies all latencies; 0: no waiting.")] = 1.0,
    answers: Annotated[list[Path] | None, typer.Option(help="Questions that the models know (JSONL).")] = None,
    recorded: Annotated[
        list[Path] | None,
        typer.Option(help="Answers recorded of real models, which those of these names give (JSONL, gzip or not)."),
    ] = None,
    recorded_only: Annotated[
        bool, typer.Option("--recorded-only", help="Answer 404 to what has no recorded answer.")
    ] = False,
    bill: Annotated[Path | None, typer.Option(help="Keep the bill in this SQLite file.")] = None,
    scenario: Annotated[
        Path | None,
        typer.Option(help="A YAML file of faults, latency, rate_limits and models to play (docs/emulator.md)."),
    ] = None,
    json: Json = False,
) -> None:
    """Run the provider emulator: OpenAI's and Anthropic's wire formats, with the models and prices of mirepoix.yaml."""
    from emulator import EmulatorSettings, serve
    from emulator.profiles import profiles_for
    from emulator.scenario import Scenario, load_scenario
    from workers.stack import free_port

    settings = context.settings()
    models = profiles_for(context.config(settings))
    known = tuple(answers) if answers is not None else examples("questions.jsonl")
    played = Scenario() if scenario is None else load_scenario(scenario)
    emulated = EmulatorSettings(
        seed,
        time_scale,
        known,
        bill,
        models,
        scenario=played,
        recorded=tuple(recorded or ()),
        recorded_only=recorded_only,
    )
    chosen = port or free_port()
    if json:
        screen.print_json({"emulator_url": f"http://{host}:{chosen}"})
    serve(emulated, host, chosen)


def examples(name: str) -> tuple[Path, ...]:
    """The example file `name`: beside the packages in a checkout, inside `mirepoix` in an installation."""
    inside = Path(mirepoix.__file__).parent
    found = [folder / "examples" / name for folder in (inside, inside.parent) if (folder / "examples" / name).exists()]
    return tuple(found[:1])


def _print_running(stack: Stack, *, json: bool) -> None:
    running = {
        "broker_url": masked(stack.settings.broker_url),
        "database_url": masked(stack.settings.database_url),
        "flower_url": stack.flower_url,
        "web_url": stack.web_url,
        "emulator_url": stack.settings.emulator_url,
        "logs": str(stack.settings.home / "logs"),
    }
    if json:
        screen.print_json(running)
        return
    for key, value in running.items():
        screen.out.print(f"{key:>12}: {value or '-'}", markup=False, highlight=False)
    screen.out.print("Ready. Ctrl-C ends all.")


def _tell(event: str) -> None:
    screen.err.print(event, markup=False, highlight=False)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
