"""c. Thousands of calls in flight on one worker process: how long they take beside the ideal, and what they cost.

Each call takes a second. The ideal is that second, once all jobs are published: every call goes out at once and every
answer is written down at once. What a machine does instead is to begin calls as fast as its processors can, so that few
of them are in flight together before the first ones are done. Where calls are `gathered`, the provider keeps them until
all are out, and answers a second later: then all of them truly are in flight at one moment, which is what memory,
connections and threads are for.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.contest import started
from bench.contestants import CELERY, OTHERS, Places
from bench.contestants.mirepoix_ import config, require_success
from bench.contestants.question import MAX_TOKENS, PROMPT
from bench.house import broker_pid, embedded_broker, running_house
from bench.meter import Meter, Usage
from bench.provider import Provider, serving
from bench.result import Figure, Goal, Result, Row
from bench.scale import Scale
from mirepoix import Call, Client
from workers.open_files import require_open_files

IDEAL = 1.0
"""Seconds that a call takes."""
PATIENCE = 900.0
OURS = "Mirepoix"
WORKER = "worker"
CALL = Call(model="mini", max_tokens=MAX_TOKENS)


@dataclass(frozen=True, slots=True)
class Case:
    """So many calls at once by one contestant's one worker process."""

    contestant: str
    calls: int
    gathered: bool = False

    @property
    def name(self) -> str:
        """What its row is called."""
        return f"{self.calls:,} by {self.contestant}" + (", gathered" if self.gathered else "")


ASYNCIO = "asyncio + httpx"
CASES = {
    Scale.FULL: (
        Case(ASYNCIO, 1000),
        Case(CELERY.name, 1000),
        Case(OURS, 1000),
        Case(OURS, 1000, gathered=True),
        Case(ASYNCIO, 5000),
        Case(OURS, 5000, gathered=True),
    ),
    Scale.QUICK: (Case(ASYNCIO, 200), Case(OURS, 200, gathered=True)),
}
SLOWER = {200: 1.25, 1000: 1.25, 5000: 1.5}
"""How many times the ideal they may take, by the number of calls."""
MEGABYTES = {200: 300, 1000: 300, 5000: 1000}
"""What the worker may hold, by the number of calls."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds until all jobs were published (0 where nothing is), and until all answers were there."""

    publish: float
    makespan: float
    usage: dict[str, Usage]
    most_out: int

    @property
    def over_ideal(self) -> float:
        """How many times the ideal the calls took, beside publishing."""
        return (self.makespan - self.publish) / IDEAL


def run(scale: Scale) -> Result:
    """Run each case once, one after the other."""
    cases = CASES[scale]
    require_open_files(2 * max(case.calls for case in cases))
    taken = {case: run_case(case) for case in cases}
    return Result(
        section="c",
        title="Calls of a second in flight on one worker process",
        rows=tuple(_row(case, taken[case]) for case in cases),
        goals=tuple(goal for case in cases if case.contestant == OURS for goal in _goals(case, taken[case])),
    )


def run_case(case: Case) -> Taken:
    """Ask so many times; raises RuntimeError where an answer is missing, or one was asked for twice."""
    with tempfile.TemporaryDirectory() as home, serving(IDEAL) as provider:
        taken = (_ours if case.contestant == OURS else _others)(case, Path(home), provider)
        if (answered := provider.answered()) != case.calls + 1:
            raise RuntimeError(f"{case.name}: {answered - 1:,} calls were answered, not {case.calls:,}.")
    return taken


def _ours(case: Case, home: Path, provider: Provider) -> Taken:
    text = config(provider.url, case.calls, timeout=PATIENCE)
    with running_house(home, text) as house, Client(house.settings) as client:
        require_success(client.submit(CALL, PROMPT).wait(PATIENCE))
        meter = Meter(house.processes())
        if case.gathered:
            provider.gather(case.calls)
        meter.start()
        began = time.monotonic()
        handles = client.submit_many(CALL, [PROMPT] * case.calls)
        published = time.monotonic()
        for view in client.as_ended(handles, PATIENCE):
            require_success(view)
        ended = time.monotonic()
        return Taken(published - began, ended - began, meter.stop(), provider.most_out())


def _others(case: Case, home: Path, provider: Provider) -> Taken:
    contestant = next(one for one in OTHERS if one.name == case.contestant)
    with embedded_broker(home) as url:
        places = Places(str(home), provider.url, url, "", case.calls)
        with started(contestant, places) as running:
            running.run(1)
            meter = Meter({**running.processes, "broker": [broker_pid(url)]})
            meter.start()
            makespan = running.run(case.calls)
            return Taken(0.0, makespan, meter.stop(), provider.most_out())


def _row(case: Case, taken: Taken) -> Row:
    usage = taken.usage
    worker = usage.get(WORKER, usage.get("producer"))
    figures = [
        Figure(name="makespan", unit="s", values=(taken.makespan,)),
        Figure(name="over ideal", unit="times", values=(taken.over_ideal,)),
        Figure(name="at once", unit="calls", values=(taken.most_out,)),
        Figure(name="CPU", unit="s", values=(sum(used.cpu for used in usage.values()),)),
        Figure(name="all memory", unit="MB", values=(sum(used.peak for used in usage.values()) / 1e6,)),
    ]
    if worker is not None:
        figures.append(Figure(name="worker", unit="MB", values=(worker.peak / 1e6,)))
    if taken.publish:
        figures.insert(1, Figure(name="publish", unit="s", values=(taken.publish,)))
    return Row(name=case.name, figures=tuple(figures))


def _goals(case: Case, taken: Taken) -> Iterator[Goal]:
    yield Goal(
        text=f"{case.name}: (makespan - publish) / ideal",
        value=taken.over_ideal,
        bound=SLOWER[case.calls],
        note=f"{taken.most_out:,} at once at the most",
    )
    if case.gathered:
        yield Goal(
            text=f"{case.name}: MB of the worker", value=taken.usage[WORKER].peak / 1e6, bound=MEGABYTES[case.calls]
        )
