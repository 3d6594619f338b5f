"""e. Whether twice the worker processes of a provider do twice as much, on one machine and on several hosts.

The provider takes its time and each process holds so many calls, so that a process is full long before a core is: what
keeps two from doing twice as much is then a lock, an index or a queue. Calls are counted at the provider, over some
seconds in which all processes are full.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from sqlalchemy import func, select
from sqlalchemy.engine import make_url

from bench.contestants.mirepoix_ import config, require_success
from bench.contestants.question import PROMPT
from bench.hosts import GATEWAY, hosts
from bench.hosts import missing as no_hosts
from bench.house import House, running, running_house
from bench.meter import TICK, Meter, resident
from bench.provider import serving
from bench.result import Figure, Goal, Result, Row
from bench.scale import Scale
from bench.servers import LOOPBACK, postgresql, redis_server
from bench.servers import missing as no_servers
from mirepoix import Client
from mirepoix.ledger.tables import Attempt
from workers.stack import free_port

TITLE = "scale-out: worker processes of one provider on PostgreSQL"
RATE = "throughput"
PATIENCE = 60.0
SPARE = 0.5
"""Seconds more for which there is work: the workers must be full from the beginning to the end."""
WAITING = """
SELECT wait_event_type || ' ' || wait_event FROM pg_stat_activity
WHERE state = 'active' AND wait_event_type IN ('Lock', 'LWLock')
"""
GOAL = 0.85
"""Of what so many times one worker would do: two do at least 1.7 times as much."""
LOOK = 0.02
BUSY = 0.9
"""Of the cores' time: where no more is left, a further process finds no core."""


@dataclass(frozen=True, slots=True)
class Size:
    """`processes` and `hosts`: how many are measured; `seconds` for each. A process holds `held` calls of `latency`."""

    processes: tuple[int, ...]
    hosts: tuple[int, ...]
    seconds: float
    held: int
    latency: float


SIZES = {
    Scale.QUICK: Size(processes=(1, 2), hosts=(), seconds=2, held=5, latency=0.5),
    Scale.FULL: Size(processes=(1, 2, 4), hosts=(1, 2), seconds=8, held=15, latency=2.0),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """What so many workers did: calls a second; CPU seconds a call, of all roles; the share of the cores' time that
    anybody used; how many of PostgreSQL's processes waited for a lock, and for which one most.
    """

    workers: int
    rate: float
    cpu: float
    busy: float
    waiting: float
    waited_for: str


def run(scale: Scale) -> Result:
    """Measure processes, then hosts; where there can be none, say why."""
    size, reason = SIZES[scale], no_servers()
    if reason is not None:
        return Result(section="e", title=TITLE, rows=(Row(name="all", note=f"skipped: {reason}"),))
    processes = _on_one_machine(size)
    rows, goals = _rows(processes, "process", size), list(_goals(processes, "processes"))
    if size.hosts:
        reason = no_hosts()
        if reason is None:
            apart = _on_hosts(size)
            rows += _rows(apart, "host", size)
            goals += _goals(apart, "hosts")
        else:
            rows.append(Row(name="hosts", note=f"skipped: {reason}"))
    return Result(section="e", title=TITLE, rows=tuple(rows), goals=tuple(goals), bars=(RATE,))


def _on_one_machine(size: Size) -> list[Measured]:
    with serving(size.latency) as provider, _house(LOOPBACK, provider.url, size) as (house, client):
        measured = []
        for count in size.processes:
            while len(house.workers["bench"]) < count:
                house.add_worker("bench")
            measured.append(_measure(house, client, size))
        return measured


def _on_hosts(size: Size) -> list[Measured]:
    """A worker on each host; broker and ledger are reached over its wire, a provider stands beside it."""
    port = free_port()
    with (
        hosts(max(size.hosts)) as there,
        _house(GATEWAY, f"http://{LOOPBACK}:{port}/v1", size) as (house, client),
        ExitStack() as stack,
    ):
        _end(house.workers["bench"].pop())
        command = [sys.executable, "-P", "-m", "bench.provider", "--port", str(port), "--latency", str(size.latency)]
        measured = []
        for count in size.hosts:
            for host in there[len(house.workers["bench"]) : count]:
                log = house.settings.home / "logs" / f"{host.name}.log"
                stack.enter_context(running([*host.inside, *command], {}, log))
                house.add_worker("bench", inside=host.inside)
            measured.append(_measure(house, client, size))
        return measured


@contextmanager
def _house(address: str, provider_url: str, size: Size) -> Iterator[tuple[House, Client]]:
    """A house whose broker and ledger listen on `address`."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with (
            postgresql(address) as server,
            redis_server(home, address) as broker,
            running_house(
                home / "house", config(provider_url, size.held), database_url=server, broker_url=broker
            ) as house,
            Client(house.settings) as client,
        ):
            yield house, client


def _measure(house: House, client: Client, size: Size) -> Measured:
    """Fill all workers, then count for some seconds what they do."""
    workers = len(house.workers["bench"])
    a_second = workers * size.held / size.latency
    handles = client.submit_many("unrouted", [PROMPT] * round(a_second * (size.latency + size.seconds + SPARE)))
    before = _answered(client)
    _until(lambda: _answered(client) >= before + workers * size.held, "all workers to be full")
    meter, waits, cores = Meter(house.processes()), Waits(house.settings.database_url), Cores()
    with waits:
        meter.start()
        began, first, busy = time.monotonic(), _answered(client), cores.busy()
        time.sleep(size.seconds)
        took, done, busy = time.monotonic() - began, _answered(client) - first, cores.busy() - busy
        used = meter.stop()
    if done == 0:
        raise RuntimeError(f"{workers} workers that were full answered no call in {took:.0f} s.")
    for view in client.as_ended(handles, timeout=PATIENCE):
        require_success(view)
    return Measured(
        workers=workers,
        rate=done / took,
        cpu=sum(usage.cpu for usage in used.values()) / done,
        busy=busy / took / cores.count,
        waiting=waits.mean,
        waited_for=waits.most,
    )


def _end(pid: int) -> None:
    """Stop a process that somebody else waits for."""
    os.kill(pid, signal.SIGTERM)
    _until(lambda: resident(pid) == 0, f"process {pid} to end")


def _answered(client: Client) -> int:
    with client.database.read() as connection:
        return int(connection.execute(select(func.count()).where(Attempt.finished_at.is_not(None))).scalar_one())


def _until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {PATIENCE:g} s for {what}.")
        time.sleep(LOOK)


class Cores:
    """The time that this machine's cores have been busy, by proc(5)'s stat."""

    count = os.cpu_count() or 1

    def busy(self) -> float:
        """Seconds of all cores since the machine started."""
        fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        idle = fields[3] + fields[4]
        return (sum(fields) - idle) * TICK


class Waits:
    """Looks again and again at which of PostgreSQL's processes wait for a lock."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._seen = Counter[str]()
        self._looks = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def mean(self) -> float:
        """How many waited at a time."""
        return self._seen.total() / max(1, self._looks)

    @property
    def most(self) -> str:
        """What was waited for most, as PostgreSQL calls it; empty where nobody waited."""
        return self._seen.most_common(1)[0][0] if self._seen else ""

    def _look(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._ended.wait(LOOK):
                self._seen.update(row[0] for row in connection.execute(WAITING))
                self._looks += 1


def _rows(measured: list[Measured], word: str, size: Size) -> list[Row]:
    return [
        Row(
            name=f"1 {word}" if each.workers == 1 else f"{each.workers} {word}{'es' if word[-1] == 's' else 's'}",
            figures=(
                Figure(name=RATE, unit="calls/s", values=(each.rate,)),
                Figure(name="of full", unit="%", values=(100 * each.rate * size.latency / each.workers / size.held,)),
                Figure(name="CPU a call", unit="ms", values=(1000 * each.cpu,)),
                Figure(name="cores busy", unit="%", values=(100 * each.busy,)),
                Figure(name="waiting for a lock", unit="backends", values=(each.waiting,)),
            ),
            note=f"most for {each.waited_for}" if each.waited_for else "",
        )
        for each in measured
    ]


def _goals(measured: list[Measured], word: str) -> Iterator[Goal]:
    one = measured[0]
    for each in measured[1:]:
        yield Goal(
            text=f"{RATE} of {each.workers} {word} / 1",
            value=each.rate / one.rate,
            bound=GOAL * each.workers,
            must_be="at least",
            note=f"the cores were {each.busy:.0%} busy" if each.busy > BUSY else "",
        )
