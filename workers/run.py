"""Run one worker process for a provider's queues, or for the orchestrators'."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import structlog
from celery.signals import worker_shutting_down

from db.migrate import require_current
from mirepoix.config import ORCHESTRATE, Config
from mirepoix.errors import ConfigError
from mirepoix.queues import both_lanes
from mirepoix.settings import Settings
from mirepoix.strict import unknown
from pipelines.check import check_config
from tasks.house import House
from tasks.providers import check_provider
from workers.app import create_app
from workers.batching import BatchRounds
from workers.canaries import CanaryWatch
from workers.filing import Filing
from workers.lease import Lease
from workers.messenger import Messenger
from workers.metrics import serving_metrics
from workers.open_files import require_open_files
from workers.reconciler import Reconciler
from workers.spans import exporting_spans
from workers.watch import Watch

ORCHESTRATE_THREADS = 8


def run_worker(settings: Settings, config: Config, name: str) -> None:
    """Work until told to stop (SIGTERM or Ctrl-C) for the provider `name`, or as an orchestrator.

    Raises ConfigError when it cannot work, LedgerError when the database is not ready.
    """
    require_ready(settings, config, [name])
    require_open_files(_threads(config, name))
    configure_logging()
    app, house = create_app(settings, config)
    require_current(house.database)
    queues = both_lanes(None if name == ORCHESTRATE else name)
    hostname = f"{name}@{socket.gethostname()}.{os.getpid()}"
    with ExitStack() as stack:
        stack.enter_context(exporting_spans(house))
        stack.enter_context(serving_metrics(house, name))
        stack.enter_context(Lease(house, hostname, queues))
        stack.enter_context(Watch(house))
        stack.enter_context(_closing_flights(house))
        if name == ORCHESTRATE:
            stack.enter_context(Reconciler(house))
            stack.enter_context(Messenger(house))
            stack.enter_context(Filing(house))
            stack.enter_context(CanaryWatch(house))
            stack.enter_context(BatchRounds(house))
        app.worker_main(
            [
                "worker",
                "--pool=threads",
                f"--concurrency={_threads(config, name)}",
                f"--queues={','.join(queues)}",
                f"--hostname={hostname}",
                "--without-gossip",
                "--without-mingle",
                "--loglevel=WARNING",
            ]
        )


@contextmanager
def _closing_flights(house: House) -> Iterator[None]:
    """When the worker is told to stop, what waits goes back at once, and what is out may take the grace time."""

    def close(**_: object) -> None:
        house.flights.close(house.settings.grace)

    worker_shutting_down.connect(close, weak=False)
    try:
        yield
    finally:
        worker_shutting_down.disconnect(close)


def require_ready(settings: Settings, config: Config, names: list[str]) -> None:
    """Raise ConfigError with all that keeps `names` from working: unknown providers, missing keys, bad pipelines."""
    known = [ORCHESTRATE, *config.providers]
    for name in names:
        if name not in known:
            raise ConfigError(unknown(f"provider {name!r}", name, known))
    problems = check_config(config)
    for name in names:
        if name != ORCHESTRATE:
            problems += check_provider(name, config, emulated=settings.emulator_url is not None)
    if problems:
        raise ConfigError("\n".join(problems))


def configure_logging() -> None:
    """One event a line on stderr: ids and numbers, never content."""
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _threads(config: Config, name: str) -> int:
    return ORCHESTRATE_THREADS if name == ORCHESTRATE else config.providers[name].concurrency
