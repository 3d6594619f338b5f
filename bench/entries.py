"""Who takes part in a contest: everybody's processes, up, with a broker and databases of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from bench.contest import Running, started
from bench.contestants import OTHERS, Contestant, Places, Store
from bench.contestants.mirepoix_ import Door, config
from bench.house import Services, apart, broker_pid, database_pids, embedded_broker, new_database, running_house
from bench.meter import Meter
from bench.provider import Provider

PROVIDER = "provider"
MIREPOIX = "Mirepoix"


@dataclass(frozen=True, slots=True)
class Entry:
    """A contestant whose processes are up, and the meter of all that work for it, the provider among them."""

    name: str
    store: Store
    running: Running
    meter: Meter


@dataclass(frozen=True, slots=True)
class Absent:
    """A contestant that cannot take part here, and why."""

    name: str
    reason: str


@contextmanager
def entered(
    home: Path, provider: Provider, services: Services, in_flight: int
) -> Iterator[tuple[list[Entry], list[Absent]]]:
    """All contestants and, last, Mirepoix through each door on each database, while the block runs."""
    absent = [Absent(other.name, reason) for other in OTHERS if (reason := _hindrance(other, services))]
    gone = {each.name for each in absent}
    with ExitStack() as stack:
        redis_url = services.redis or stack.enter_context(embedded_broker(home / "broker"))

        def places(number: int, store: Store) -> Places:
            folder = home / str(number)
            folder.mkdir()
            database = stack.enter_context(_database(store, folder, services))
            return Places(str(folder), provider.url, apart(redis_url, number), database, in_flight)

        others = [
            _other(other, places(number, other.store), provider)
            for number, other in enumerate(OTHERS)
            if other.name not in gone
        ]
        stores = [Store.SQLITE] if services.postgresql is None else [Store.SQLITE, Store.POSTGRESQL]
        houses = [_mirepoix(store, places(number, store), provider) for number, store in enumerate(stores, len(OTHERS))]
        with ThreadPoolExecutor() as threads:  # a start is mostly waiting
            entries = list(threads.map(stack.enter_context, others))
        for house in houses:  # one by one: Alembic, which makes the tables, knows one context in a process
            entries += stack.enter_context(house)
        yield entries, absent


def named(door: Door, store: Store) -> str:
    """What Mirepoix through a door on a database is called in tables."""
    return f"{MIREPOIX} {door}, {store}"


@contextmanager
def _other(contestant: Contestant, places: Places, provider: Provider) -> Iterator[Entry]:
    with started(contestant, places) as running:
        processes = {**running.processes, PROVIDER: [provider.pid]}
        if contestant.store is Store.POSTGRESQL:
            processes["database"] = database_pids(places.database_url)
        elif contestant.worker:
            processes["broker"] = [broker_pid(places.broker_url)]
        yield Entry(contestant.name, contestant.store, running, Meter(processes))


@contextmanager
def _mirepoix(store: Store, places: Places, provider: Provider) -> Iterator[Sequence[Entry]]:
    """A house, and a producer for each door."""
    home = Path(places.home)
    with (
        running_house(
            home / "house",
            config(provider.url, places.in_flight),
            database_url=places.database_url,
            broker_url=places.broker_url,
        ) as house,
        ExitStack() as stack,
    ):

        def entry(door: Door) -> Entry:
            name = named(door, store)
            producer = Contestant(name, "mirepoix_", ("mirepoix",), store=store)
            there = replace(places, home=str(home / door.name.lower()))
            environ = house.settings.environ() | {"BENCH_DOOR": door}
            running = stack.enter_context(started(producer, there, environ))
            meter = Meter({**running.processes, **house.processes(), PROVIDER: [provider.pid]})
            return Entry(name, store, running, meter)

        with ThreadPoolExecutor() as threads:
            entries = list(threads.map(entry, Door))
        yield entries


def _hindrance(contestant: Contestant, services: Services) -> str:
    if contestant.store is Store.POSTGRESQL and services.postgresql is None:
        return "on PostgreSQL, with which `make bench` measures"
    return contestant.missing()


def _database(store: Store, folder: Path, services: Services) -> AbstractContextManager[str]:
    if store is Store.POSTGRESQL and services.postgresql is not None:
        return new_database(services.postgresql)
    return nullcontext(f"sqlite:///{folder / 'database.sqlite3'}" if store is Store.SQLITE else "")
