"""d. Whether a job costs the same however many came before it, and wait beside it; and what longer ones cost.

Houses with ledgers of many sizes stand side by side. They take turns: all but the one that is measured are stopped
(SIGSTOP). In the last rounds the largest has a queue that it works off meanwhile. Each role's CPU is counted per piece
of its own work: submitting, starting and answering go on at different speeds.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeVar

from sqlalchemy import func, select

from bench.contestants.mirepoix_ import config, require_success
from bench.contestants.question import MAX_TOKENS
from bench.copies import queue_up
from bench.house import House, running_house
from bench.ledgers import old_ledger
from bench.meter import Meter
from bench.provider import Provider, serving
from bench.result import Figure, Goal, Result, Row
from bench.scale import Scale
from mirepoix import Call, Chain, Client
from mirepoix.ledger.tables import Job, now
from mirepoix.publisher import Publisher
from mirepoix.spec import Pipeline
from mirepoix.states import JobState, Lane

IN_FLIGHT = 50
WARM_UP = 20
"""Jobs, and calls."""
PATIENCE = 300.0
GOAL = 1.15
TITLE = "growth: what a job costs with a large ledger, a long queue, large inputs, long chains"
ROLES = ("producer", "orchestrator", "worker", "broker")
HEAVY = "heavy"
"""The tenant whose jobs wait."""
SHORT, LONG = "word " * 200, "word " * 200_000
"""1 kB and 1 MB."""


@dataclass(frozen=True, slots=True)
class Size:
    """`ledgers`: jobs that each ledger has had; `waiting`: jobs in the queue; `burst`: jobs that are sent at once, and
    `single`: one after the other, or `beside` a queue, in each of the `rounds`; `calls` are made by jobs of each shape
    in a round.
    """

    ledgers: tuple[int, ...]
    waiting: int
    burst: int
    single: int
    beside: int
    rounds: int
    calls: int

    @property
    def warm_up(self) -> Size:
        """What is enough to open connections and fill caches."""
        return replace(self, burst=min(self.burst, WARM_UP), single=1, calls=min(self.calls, WARM_UP))


SIZES = {
    Scale.QUICK: Size(ledgers=(10, 10_000), waiting=3_000, burst=80, single=5, beside=1, rounds=1, calls=10),
    Scale.FULL: Size(
        ledgers=(10, 100_000, 1_000_000), waiting=100_000, burst=150, single=15, beside=3, rounds=3, calls=60
    ),
}
"""A burst is more than the fast lane takes at once: jobs that wait for room there cost more, whoever else waits."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Jobs with `calls` each, one after the other."""

    pipeline: str | Pipeline
    input: str
    calls: int = 1


USUAL = Shape("routed", SHORT)
LINK = Call(model="mini", max_tokens=MAX_TOKENS)
SHAPES = {
    "an input of 1 kB": Shape(LINK, SHORT),
    "an input of 1 MB": Shape(LINK, LONG),
    "a chain of 5": Shape(Chain(steps=(LINK,) * 5), SHORT, 5),
    "a chain of 20": Shape(Chain(steps=(LINK,) * 20), SHORT, 20),
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of CPU by role for one job, and bytes of memory that all processes had at the most."""

    cpu: Mapping[str, float]
    memory: int

    @property
    def whole(self) -> float:
        """Of all roles."""
        return sum(self.cpu.values())


@dataclass(frozen=True, slots=True)
class Turn:
    """What a house did when its turn came: the cost of a job of many, and the seconds of each of some single ones."""

    cost: Cost
    singles: Sequence[float]


@dataclass(frozen=True, slots=True)
class Place:
    """A house, its client, and the provider that only those ask whose turn it is."""

    house: House
    client: Client
    provider: Provider

    def burst(self, shape: Shape, jobs: int) -> Cost:
        """The cost of one of so many jobs, all sent at once; what there is before and after, in a house that stands."""
        waiting, answered = self._waiting(), self.provider.answered()
        meter = Meter(self.house.processes())
        meter.start()
        with awake(self.house):
            began = time.process_time()
            handles = self.client.submit_many(shape.pipeline, [shape.input] * jobs)
            for view in self.client.as_ended(handles, timeout=PATIENCE):
                require_success(view)
            own = time.process_time() - began
        used = meter.stop()
        work = dict.fromkeys(used, (self.provider.answered() - answered) / shape.calls)
        work |= {"producer": jobs, "orchestrator": jobs + waiting - self._waiting()}
        seconds = {"producer": own, **{role: usage.cpu for role, usage in used.items()}}
        cpu = {role: seconds[role] / work[role] for role in seconds}
        return Cost(cpu, sum(usage.peak for usage in used.values()))

    def singles(self, jobs: int) -> list[float]:
        """Seconds that each of so many jobs takes which are sent one after the other."""
        with awake(self.house):
            return [self._single() for _ in range(jobs)]

    def _single(self) -> float:
        began = time.perf_counter()
        require_success(self.client.submit(USUAL.pipeline, USUAL.input).wait(PATIENCE))
        return time.perf_counter() - began

    def queue(self, jobs: int) -> None:
        """Let so many jobs of another tenant wait to be started."""
        template = self.client.jobs(state=JobState.SUCCEEDED, limit=1)[0].job
        waiting = queue_up(self.client.database, template, jobs, now(), tenant=HEAVY)
        publisher = Publisher(self.house.settings)
        publisher.start({Lane.BULK: waiting})
        publisher.close()

    def _waiting(self) -> int:
        heavy = select(func.count()).where(Job.tenant == HEAVY, Job.state == JobState.QUEUED, Job.finished_at.is_(None))
        with self.client.database.read() as connection:
            return int(connection.execute(heavy).scalar_one())


def run(scale: Scale) -> Result:
    """Measure ledgers, shapes, and the queue."""
    size = SIZES[scale]
    with tempfile.TemporaryDirectory() as folder, serving() as provider, ExitStack() as stack:
        places = [stack.enter_context(_opened(Path(folder, str(jobs)), jobs, provider)) for jobs in size.ledgers]
        least, most = places[0], places[-1]
        grown = _rounds(
            size, {_old(jobs): partial(_turn, place) for jobs, place in zip(size.ledgers, places, strict=True)}
        )
        shaped = _rounds(size, {name: partial(_burst, least, shape) for name, shape in SHAPES.items()})
        with awake(most.house):
            most.queue(size.waiting)
        beside = replace(size, single=size.beside)
        queued = _rounds(beside, {name: partial(_turn, place) for name, place in (("", least), ("queued", most))})
    return _result(size, grown, queued, shaped)


@contextmanager
def _opened(home: Path, jobs: int, provider: Provider) -> Iterator[Place]:
    """A house whose ledger has had so many jobs; it stands still."""
    old_ledger(home, jobs, provider)
    with running_house(home, config(provider.url, IN_FLIGHT)) as house, Client(house.settings) as client:
        _signal(house, signal.SIGSTOP)
        yield Place(house, client, provider)


@contextmanager
def awake(house: House) -> Iterator[None]:
    _signal(house, signal.SIGCONT)
    try:
        yield
    finally:
        _signal(house, signal.SIGSTOP)


def _signal(house: House, what: signal.Signals) -> None:
    for pids in house.workers.values():
        for pid in pids:
            os.kill(pid, what)


T = TypeVar("T")


def _rounds(size: Size, turns: Mapping[str, Callable[[Size], T]]) -> dict[str, list[T]]:
    """All in turns, round after round; a small unmeasured round first."""
    for turn in turns.values():
        turn(size.warm_up)
    done: dict[str, list[T]] = {name: [] for name in turns}
    for _ in range(size.rounds):
        for name, turn in turns.items():
            done[name].append(turn(size))
    return done


def _turn(place: Place, size: Size) -> Turn:
    return Turn(place.burst(USUAL, size.burst), place.singles(size.single))


def _burst(place: Place, shape: Shape, size: Size) -> Cost:
    return place.burst(shape, max(1, size.calls // shape.calls))


def _old(jobs: int) -> str:
    return f"{jobs:,} jobs before"


def _result(
    size: Size, grown: dict[str, list[Turn]], queued: dict[str, list[Turn]], shaped: dict[str, list[Cost]]
) -> Result:
    least, most = _old(size.ledgers[0]), _old(size.ledgers[-1])
    rows = [Row(name=name, figures=_turn_figures(turns)) for name, turns in grown.items()]
    rows.append(Row(name=f"{least}, again", figures=_turn_figures(queued[""]), note="in turns with the next"))
    rows.append(Row(name=f"{most}, {size.waiting:,} waiting", figures=_turn_figures(queued["queued"])))
    rows += [Row(name=name, figures=_cost_figures(costs, SHAPES[name].calls)) for name, costs in shaped.items()]
    goals = (
        Goal(text=f"CPU of a job, {most} / {size.ledgers[0]}", value=_paired(grown[most], grown[least]), bound=GOAL),
        Goal(
            text=f"CPU of a job, {most} and {size.waiting:,} waiting / {size.ledgers[0]} and none",
            value=_paired(queued["queued"], queued[""]),
            bound=GOAL,
        ),
        Goal(
            text=f"latency of a single job, {most} / {size.ledgers[0]}",
            value=median(_middle(a) / _middle(b) for a, b in zip(grown[most], grown[least], strict=True)),
            bound=GOAL,
        ),
    )
    return Result(section="d", title=TITLE, rows=tuple(rows), goals=goals, bars=ROLES)


def _paired(turns: Sequence[Turn], others: Sequence[Turn]) -> float:
    """The median of the rounds' ratios."""
    return median(turn.cost.whole / other.cost.whole for turn, other in zip(turns, others, strict=True))


def _middle(turn: Turn) -> float:
    return median(turn.singles)


def _turn_figures(turns: Sequence[Turn]) -> tuple[Figure, ...]:
    alone = {
        "p50 alone": [1000 * _middle(turn) for turn in turns],
        "max alone": [1000 * max(turn.singles) for turn in turns],
    }
    latencies = (Figure(name=name, unit="ms", values=tuple(values)) for name, values in alone.items())
    return (*_cost_figures([turn.cost for turn in turns], 1), *latencies)


def _cost_figures(costs: Sequence[Cost], calls: int) -> tuple[Figure, ...]:
    def figure(name: str, value: Callable[[Cost], float], unit: str = "ms") -> Figure:
        return Figure(name=name, unit=unit, values=tuple(value(cost) for cost in costs))

    def cpu_of(role: str) -> Figure:
        return figure(role, lambda cost: 1000 * cost.cpu[role])

    roles = [cpu_of(role) for role in ROLES]
    return (
        figure("CPU a job", lambda cost: 1000 * cost.whole),
        figure("CPU a call", lambda cost: 1000 * cost.whole / calls),
        *roles,
        figure("memory", lambda cost: cost.memory / 1e6, "MB"),
    )
