"""The command line, and where errors become a line on stderr and an exit code.

Exit codes: 0 done, 1 failed, 2 misuse (a wrong name, a bad file, an empty input).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import typer
from rich.console import Console

from cli import (
    answer,
    autoscale,
    batches,
    bench,
    calibrate,
    canaries,
    costs,
    deliveries,
    demo,
    deploy,
    evaluate,
    explain,
    jobs,
    keeping,
    keys,
    replay,
    routers,
    services,
    setup,
    train,
    tune,
    whatif,
)
from mirepoix.errors import ConfigError, InputError, MirepoixError, NotFound, PipelineError

MISUSE = (ConfigError, InputError, NotFound, PipelineError)

app = typer.Typer(
    help="Mirepoix: many models, one pot. Submit jobs to pipelines of language models; watch, trace and price them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for group in (
    setup,
    services,
    autoscale,
    deploy,
    answer,
    explain,
    jobs,
    replay,
    whatif,
    costs,
    keeping,
    deliveries,
    batches,
    canaries,
    keys,
    calibrate,
    tune,
    bench,
    train,
    evaluate,
    routers,
    demo,
):
    group.add_to(app)


def main() -> None:
    """Run the command; errors of ours go to stderr without a traceback."""
    _end_with_parent(os.environ.get("MIREPOIX_PARENT"))
    try:
        app()
    except MISUSE as error:
        _say(error)
        sys.exit(2)
    except MirepoixError as error:
        _say(error)
        sys.exit(1)


def _say(error: MirepoixError) -> None:
    Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)


def _end_with_parent(parent: str | None) -> None:
    """A child of `mirepoix up` ends when that process is gone, however it went."""
    if parent is None:
        return

    def watch() -> None:
        while os.getppid() == int(parent):
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="mirepoix-parent", daemon=True).start()
