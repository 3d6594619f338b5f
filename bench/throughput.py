"""a. Throughput and CPU of one model call, from a producer's submission to the answer in the producer's hands.

All contestants are up at once and take turns, round after round; only the one whose turn it is works. Its processes'
CPU seconds are taken over its run and a pause after it, so that what it puts off counts too (Mirepoix files ended jobs
for search). The provider's own CPU is shown apart, since it is there for all. A database's and a broker's processes
count for whoever uses them; SQLite works within its users.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.contestants import CELERY, Store
from bench.contestants.mirepoix_ import Door
from bench.entries import MIREPOIX, PROVIDER, Entry, entered, named
from bench.house import Services
from bench.meter import Usage
from bench.provider import Provider, serving
from bench.result import Figure, Goal, Result, Row, ratio
from bench.scale import Scale

IN_FLIGHT = 50
RATE, CPU = "rate", "CPU"
PARTS = ("producer", "worker", "orchestrator", "broker", "database")
PER_CALLS = "s/1,000"
MEGABYTE = 1e6


@dataclass(frozen=True, slots=True)
class Size:
    """How many calls a round has, how many rounds count, and for how many seconds each rests after its run.

    `first`: calls of the round that does not count; `postgresql`: whether those are measured that are on one.
    """

    calls: int
    rounds: int
    pause: float
    first: int
    postgresql: bool


SIZES = {
    Scale.QUICK: Size(calls=50, rounds=1, pause=0.6, first=20, postgresql=False),
    Scale.FULL: Size(calls=200, rounds=3, pause=0.6, first=IN_FLIGHT, postgresql=True),
}


@dataclass(slots=True)
class Measured:
    """What one contestant took in each round."""

    seconds: list[float] = field(default_factory=list)
    used: list[dict[str, Usage]] = field(default_factory=list)


def run(scale: Scale) -> Result:
    """Measure all who can be measured here."""
    size, services = SIZES[scale], Services.from_environ()
    if not size.postgresql:
        services = replace(services, postgresql=None)
    with (
        tempfile.TemporaryDirectory() as home,
        serving() as provider,
        entered(Path(home), provider, services, IN_FLIGHT) as (entries, absent),
    ):
        measured = take_turns(entries, size, provider)
        stores = {entry.name: entry.store for entry in entries}
    rows = {name: _row(name, each, size.calls) for name, each in measured.items()}
    return Result(
        section="a",
        title=f"One call, the full path: {size.calls:,} calls, {IN_FLIGHT} in flight, median of {size.rounds}",
        bars=PARTS,
        rows=(
            *rows.values(),
            _limit(measured.values(), size.calls),
            *(Row(name=each.name, note=f"skipped: {each.reason}") for each in absent),
        ),
        goals=tuple(_goals(rows, stores)),
    )


def take_turns(entries: Sequence[Entry], size: Size, provider: Provider) -> dict[str, Measured]:
    """A round that does not count, to open connections and fill caches; then those that do."""
    measured = {entry.name: Measured() for entry in entries}
    for entry in entries:
        entry.running.run(size.first)
    for _ in range(size.rounds):
        for entry in entries:
            before = provider.answered()
            entry.meter.start()
            measured[entry.name].seconds.append(entry.running.run(size.calls))
            time.sleep(size.pause)
            measured[entry.name].used.append(entry.meter.stop())
            asked = provider.answered() - before
            if asked != size.calls:
                raise RuntimeError(f"{entry.name} asked the provider {asked} times instead of {size.calls}.")
    return measured


def _row(name: str, measured: Measured, calls: int) -> Row:
    def cpu(figure: str, roles: Sequence[str]) -> Figure:
        sums = (sum(used[role].cpu for role in roles if role in used) for used in measured.used)
        return Figure(name=figure, unit=PER_CALLS, values=tuple(1000 * seconds / calls for seconds in sums))

    def peak(role: str) -> Figure:
        peaks = tuple(used[role].peak / MEGABYTE for used in measured.used)
        return Figure(name=f"{role} memory", unit="MB", values=peaks)

    there = [role for role in PARTS if role in measured.used[0]]
    return Row(
        name=name,
        figures=(
            Figure(name=RATE, unit="calls/s", values=tuple(calls / taken for taken in measured.seconds)),
            cpu(CPU, PARTS),
            *(cpu(role, [role]) for role in there),
            cpu(PROVIDER, [PROVIDER]),
            *(peak(role) for role in there),
        ),
    )


def _limit(measured: Iterable[Measured], calls: int) -> Row:
    """What the provider could answer if it had a processor for itself: how far it is from holding anybody up."""
    costs = [used[PROVIDER].cpu for each in measured for used in each.used if used[PROVIDER].cpu > 0]
    rates = tuple(calls / cost for cost in costs)
    figures = (Figure(name=RATE, unit="calls/s", values=rates),) if rates else ()
    return Row(name="the provider's limit", figures=figures, note="calls per second of its own CPU")


def _goals(rows: Mapping[str, Row], stores: Mapping[str, Store]) -> Iterator[Goal]:
    """Against bare Celery, and per core against the best durable peer; per core is per second of CPU."""
    ours = [named(Door.MANY, store) for store in (Store.SQLITE, Store.POSTGRESQL)]
    peers = {
        name: _cpu(rows, name) for name, store in stores.items() if store is not Store.NOTHING and MIREPOIX not in name
    }
    best = min(peers, key=lambda name: peers[name] or 0, default="the best durable peer")
    for name in ours:
        cpu = _cpu(rows, name)
        yield Goal(
            text=f"CPU per call of {name}, over that of {CELERY.name}",
            value=ratio(cpu, _cpu(rows, CELERY.name)),
            bound=2.5,
        )
        yield Goal(
            text=f"calls per second and core of {name}, over those of {best}",
            value=ratio(peers.get(best), cpu),
            bound=2,
            must_be="at least",
        )


def _cpu(rows: Mapping[str, Row], name: str) -> float | None:
    return rows[name].median(CPU) if name in rows else None
