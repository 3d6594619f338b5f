"""b. What an idle house adds to a job: one call, a route, each hop of a chain, ensembles, an escalation.

One job at a time, from submit to result, and beside it bare Celery's canvas of as many tasks that do nothing, on the
same Valkey and from the same process. The provider answers at once, so all the time is the house's own. All kinds of
jobs take turns in a shuffled order, so that whatever else the machine does meets them alike; a pause of random length
before each lets the one before come to rest, and keeps step with no timer.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celery import Celery, Signature, chain, chord
from rich.progress import track

from bench.contestants import CELERY, Places
from bench.contestants.mirepoix_ import config, require_success
from bench.contestants.question import MAX_TOKENS, PROMPT, TIMEOUT
from bench.house import House, running, running_house
from bench.percentiles import interval, percentile
from bench.provider import Provider, serving
from bench.result import Figure, Goal, Result, Row, ratio
from bench.scale import Scale
from mirepoix import Call, Chain, Client, Ensemble
from mirepoix.spec import Pipeline, parse

IN_FLIGHT = 50
PAUSE = (0.005, 0.025)
"""Seconds between two jobs, from and to."""
WARM_UP = {Scale.FULL: 5, Scale.QUICK: 2}
"""Jobs of each kind before it counts: connections, threads and compiled pipelines are there then."""
CALL = Call(model="mini", max_tokens=MAX_TOKENS)
TIER = {"call": {"model": "mini", "max_tokens": MAX_TOKENS}}
REFUSED = {"at_least": 1, "gates": {"length": {"min_words": 9}}}
"""No answer of the bench's provider is so long."""


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """A kind of job: its calls, how often it is measured, and the canvas that bare Celery would use for it."""

    name: str
    pipeline: str | Pipeline
    calls: int
    times: dict[Scale, int]
    canvas: Callable[[Celery], Signature[Any]] | None = None


def _nothing(app: Celery) -> Signature[Any]:
    return Signature("bare.nothing", app=app, immutable=True)


def _chain_of_four(app: Celery) -> Signature[Any]:
    return chain(*(_nothing(app) for _ in range(4)), app=app)


def _chord(app: Celery, width: int) -> Signature[Any]:
    return chord([_nothing(app) for _ in range(width)], _nothing(app), app=app)


ONE, ROUTED, FOUR = "one call", "a route and a call", "a chain of four"
THREE, FIFTY = "an ensemble of three", "an ensemble of fifty"
STANDS, ESCALATES = "a cascade whose first tier stands", "one that escalates"
HOP, ESCALATION = "each hop of the chain", "the escalation"
FOR_P99 = {Scale.FULL: 600, Scale.QUICK: 60}
OFTEN = {Scale.FULL: 300, Scale.QUICK: 40}
SOMETIMES = {Scale.FULL: 100, Scale.QUICK: 10}
RARELY = {Scale.FULL: 20, Scale.QUICK: 2}
KINDS = (
    Kind(ONE, "unrouted", 1, OFTEN, _nothing),
    Kind(ROUTED, "routed", 1, FOR_P99),
    Kind(FOUR, Chain(steps=(CALL,) * 4), 4, SOMETIMES, _chain_of_four),
    Kind(THREE, Ensemble(members=(CALL,) * 3), 3, SOMETIMES, lambda app: _chord(app, 3)),
    Kind(FIFTY, Ensemble(members=(CALL,) * 50), 50, RARELY, lambda app: _chord(app, 50)),
    Kind(STANDS, parse({"cascade": {"tiers": [TIER, TIER]}}), 1, SOMETIMES),
    Kind(ESCALATES, parse({"cascade": {"tiers": [TIER, TIER], "accept": REFUSED}}), 2, SOMETIMES),
)


def run(scale: Scale) -> Result:
    """Measure each kind of job, one at a time."""
    return in_figures(measure({kind: kind.times[scale] for kind in KINDS}, warm_up=WARM_UP[scale]))


Taken = dict[tuple[str, bool], list[float]]
"""Seconds of each job of a kind, by its name and whether bare Celery did it."""


def measure(times: Mapping[Kind, int], *, warm_up: int) -> Taken:
    """Do each kind of job so many times, after `warm_up` that do not count."""
    with (
        tempfile.TemporaryDirectory() as home,
        serving() as provider,
        running_house(Path(home), config(provider.url, IN_FLIGHT)) as house,
        _bare_celery(house, provider) as app,
        Client(house.settings) as client,
    ):
        return _measured(_turns(client, app), times, warm_up, provider)


@dataclass(frozen=True, slots=True)
class _Turn:
    """One kind of job, done once by `do`, ours or (`bare`) Celery's; `calls` reach the provider."""

    kind: Kind
    bare: bool
    calls: int
    do: Callable[[], None]


def _turns(client: Client, app: Celery) -> list[_Turn]:
    ours = [_Turn(kind, False, kind.calls, _job(client, kind.pipeline)) for kind in KINDS]
    return ours + [_Turn(kind, True, 0, _canvas(kind.canvas(app))) for kind in KINDS if kind.canvas is not None]


def _job(client: Client, pipeline: str | Pipeline) -> Callable[[], None]:
    return lambda: require_success(client.submit(pipeline, PROMPT).wait(TIMEOUT))


def _canvas(canvas: Signature[Any]) -> Callable[[], None]:
    return lambda: canvas.clone().apply_async().get(timeout=TIMEOUT)


def _measured(turns: list[_Turn], times: Mapping[Kind, int], warm_up: int, provider: Provider) -> Taken:
    """What each took; raises RuntimeError where the provider was not asked as often as the jobs have calls."""
    dice = random.Random(1)
    taken: Taken = {(turn.kind.name, turn.bare): [] for turn in turns}
    asked_before = provider.answered()
    for turn in turns * warm_up:
        turn.do()
    order = [turn for turn in turns for _ in range(times[turn.kind])]
    dice.shuffle(order)
    for turn in track(order, "one job at a time", transient=True):
        time.sleep(dice.uniform(*PAUSE))
        began = time.perf_counter()
        turn.do()
        taken[turn.kind.name, turn.bare].append(time.perf_counter() - began)
    expected = sum(turn.calls for turn in (*turns * warm_up, *order))
    if (asked := provider.answered() - asked_before) != expected:
        raise RuntimeError(f"the provider was asked {asked:,} times, not {expected:,}: other jobs ran than meant.")
    return taken


@contextmanager
def _bare_celery(house: House, provider: Provider) -> Iterator[Celery]:
    """A worker of bare Celery on the house's Valkey, and an app that sends to it."""
    url = house.settings.broker_url
    places = Places(str(house.settings.home), provider.url, url, house.settings.database_url, IN_FLIGHT)
    app = Celery("bare", broker=url, backend=url, set_as_current=False)
    app.conf.update(
        task_serializer="json", accept_content=["json"], task_default_queue="bare", result_serializer="json"
    )
    with running(CELERY.command(places), places.environ(), house.settings.home / "logs" / "bare.log"):
        yield app
    app.close()


def in_figures(taken: Taken) -> Result:
    """Percentiles of what was measured, and what a hop and an escalation add."""
    rows = [_row(kind, taken) for kind in KINDS]
    p50 = {key: percentile(seconds, 0.5) for key, seconds in taken.items()}
    hop = {bare: (p50[FOUR, bare] - p50[ONE, bare]) / 3 for bare in (False, True)}
    rows.insert(3, Row(name=HOP, figures=(_p50(hop[False]), _bare_p50(hop[True])), note="a chain less one call, by 3"))
    escalation = p50[ESCALATES, False] - p50[STANDS, False]
    rows.append(Row(name=ESCALATION, figures=(_p50(escalation),), note="a decision, and another call"))
    routed = taken[ROUTED, False]
    low, high = interval(routed, 0.99)
    goals = (
        Goal(text="a routed job / bare Celery's task", value=p50[ROUTED, False] / p50[ONE, True], bound=4),
        Goal(
            text="p99 / p50 of a routed job",
            value=percentile(routed, 0.99) / p50[ROUTED, False],
            bound=3,
            note=f"p99 of {len(routed)} jobs, 95 % between {low * 1000:.1f} and {high * 1000:.1f} ms",
        ),
        Goal(text="a hop of a chain / bare Celery's", value=ratio(hop[False], hop[True]), bound=1.3),
        Goal(text="an ensemble of three / bare Celery's chord", value=p50[THREE, False] / p50[THREE, True], bound=1.3),
        Goal(text="an ensemble of fifty / bare Celery's chord", value=p50[FIFTY, False] / p50[FIFTY, True], bound=1),
    )
    return Result(section="b", title="What an idle house adds to a job", rows=tuple(rows), goals=goals)


def _row(kind: Kind, taken: Taken) -> Row:
    ours = taken[kind.name, False]
    figures = [_p50(*ours), _p99("p99", ours)]
    if kind.canvas is not None:
        bare = taken[kind.name, True]
        figures += [_bare_p50(*bare), _p99("bare Celery p99", bare)]
    return Row(name=kind.name, figures=tuple(figures), note=f"{len(ours)} jobs")


def _p50(*seconds: float) -> Figure:
    return _milliseconds("p50", *seconds)


def _bare_p50(*seconds: float) -> Figure:
    return _milliseconds("bare Celery p50", *seconds)


def _p99(name: str, seconds: list[float]) -> Figure:
    return _milliseconds(name, percentile(seconds, 0.99))


def _milliseconds(name: str, *seconds: float) -> Figure:
    return Figure(name=name, unit="ms", values=tuple(round(value * 1000, 3) for value in seconds))
