"""Serve a worker's metrics to Prometheus, at `/metrics` on a port of its own.

Of several processes on one host each takes the next free port. Where they are stands in files under
`<home>/metrics/`, which Prometheus finds by itself (`file_sd_configs`, deploy/prometheus.yml).
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, start_http_server
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from db.depths import read_standings
from mirepoix.config import ORCHESTRATE
from mirepoix.errors import ConfigError
from tasks.house import House
from tasks.limits.admission import BreakerState
from workers.rounds import AWAY

PORTS = 100
ABOUT_THE_PROCESS = (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR)


@contextmanager
def serving_metrics(house: House, name: str) -> Iterator[int]:
    """Serve while entered, and yield the port; 0 when no metrics are wanted. `name`: a provider, or the orchestrators'.

    Raises ConfigError when no port is free.
    """
    settings = house.settings
    if settings.metrics_port == 0:
        yield 0
        return
    registry = house.meters.registry
    for collector in (*ABOUT_THE_PROCESS, InHand(house, name)):
        registry.register(collector)
    if name == ORCHESTRATE:
        registry.register(OfAll(house))
    for port in range(settings.metrics_port, min(settings.metrics_port + PORTS, 65536)):
        with suppress(OSError):
            server, thread = start_http_server(port, settings.metrics_host, registry)
            break
    else:
        raise ConfigError(f"no port from {settings.metrics_port} on is free for metrics (MIREPOIX_METRICS_PORT).")
    target = _announce(settings.home / "metrics", f"{settings.metrics_host}:{port}", name)
    try:
        yield port
    finally:
        target.unlink(missing_ok=True)
        server.shutdown()
        thread.join()


class InHand(Collector):
    """The calls that this process has in hand."""

    def __init__(self, house: House, name: str) -> None:
        self._house = house
        self._name = name

    def collect(self) -> Iterable[Metric]:
        """Counted anew for each scrape."""
        flights, labels = self._house.flights, ["provider"]
        out = GaugeMetricFamily("mirepoix_calls_in_flight", "Requests that are out now", labels=labels)
        waiting = GaugeMetricFamily("mirepoix_calls_waiting", "Calls that wait for leave to ask", labels=labels)
        if self._name != ORCHESTRATE:
            out.add_metric([self._name], flights.out())
            waiting.add_metric([self._name], flights.waiting())
        return out, waiting


class OfAll(Collector):
    """What the orchestrators see of all workers: what waits in the ledger, and how the providers' gates stand."""

    def __init__(self, house: House) -> None:
        self._house = house

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering it asks nobody."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """One query of the ledger and one of the Redis; what cannot be asked is left out of this scrape."""
        up = GaugeMetricFamily("mirepoix_service_up", "Whether a service answers", labels=["service"])
        for service, ask in (("ledger", self._ledger), ("limits", self._gates)):
            try:
                yield from ask()
                up.add_metric([service], 1)
            except AWAY:
                up.add_metric([service], 0)
        yield up

    def _ledger(self) -> list[Metric]:
        with self._house.database.read() as connection:
            standings = read_standings(connection, self._house.config.providers)
        depth = GaugeMetricFamily("mirepoix_queue_depth", "Steps and jobs that nobody has taken yet", labels=["queue"])
        oldest = GaugeMetricFamily("mirepoix_queue_oldest_seconds", "For how long the oldest waits", labels=["queue"])
        for queue in standings.queues:
            depth.add_metric([queue.queue], queue.waiting)
            oldest.add_metric([queue.queue], queue.oldest)
        jobs = GaugeMetricFamily("mirepoix_jobs_open", "Jobs that have not ended", labels=["state"])
        for state, count in standings.jobs.items():
            jobs.add_metric([state], count)
        return [depth, oldest, jobs]

    def _gates(self) -> list[Metric]:
        states = ["provider", "state"]
        breaker = GaugeMetricFamily("mirepoix_breaker", "1 for the state that the breaker is in", labels=states)
        paused = GaugeMetricFamily(
            "mirepoix_paused_seconds", "For how long a provider asked to be left alone", labels=["provider"]
        )
        for provider, standing in self._house.limits.standing().items():
            for state in BreakerState:
                breaker.add_metric([provider, state], float(standing.breaker is state))
            paused.add_metric([provider], standing.paused)
        return [breaker, paused]


def _announce(folder: Path, address: str, name: str) -> Path:
    """Write down where this process serves, for Prometheus; clear away what dead ones of this host left."""
    folder.mkdir(parents=True, exist_ok=True)
    host = socket.gethostname()
    for left in folder.glob(f"{host}.*.json"):
        if not _lives(int(left.stem.rpartition(".")[2])):
            left.unlink(missing_ok=True)
    target = folder / f"{host}.{os.getpid()}.json"
    new = target.with_suffix(".new")
    new.write_text(json.dumps([{"targets": [address], "labels": {"worker": name}}]))
    new.rename(target)
    return target


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
