"""f. A noisy neighbour: one provider hangs, and its calls pile up; how long do jobs of another take meanwhile?

Jobs of both come at a steady pace, whether those before them have ended or not, and each one's time counts from the
moment at which it was due: a house that is held up is measured while it is held up. All jobs are one tenant's. At the
end every job of the provider that hung must have its answer as well.
"""

from __future__ import annotations

import random
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.contestants.mirepoix_ import require_success
from bench.contestants.question import MAX_TOKENS, PROMPT, TIMEOUT
from bench.house import running_house
from bench.percentiles import interval, percentile
from bench.provider import MODEL, Provider, serving
from bench.result import Figure, Goal, Result, Row
from bench.scale import Scale
from mirepoix import Call, Client, Handle

IN_FLIGHT = 50
LATENCY = 0.1
"""Seconds that both providers take while nothing hangs."""
WARM_UP = 10
"""Jobs."""
WAITING = 32
"""Threads that wait for results: more than there ever are jobs of the steady provider under way."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds that all is well, seconds that one provider hangs; of the jobs, a share `noisy` is for that one.

    There are as many jobs as keep the house `busy` for that share of the time, by what one alone takes it, and at least
    `fewest` in each period.
    """

    before: float
    hang: float
    noisy: float = 0.3
    busy: float = 0.4
    fewest: int = 20


PACES = {Scale.FULL: Pace(before=15, hang=60), Scale.QUICK: Pace(before=2, hang=3)}


@dataclass(frozen=True, slots=True)
class Heard:
    """Seconds that each job of the steady provider took, before and during the hang, and how many jobs hung."""

    before: list[float]
    during: list[float]
    hung: int
    most_out: int
    rate: float


def run(scale: Scale) -> Result:
    """Measure before and while a provider hangs."""
    heard = measure(PACES[scale])
    before, during = percentile(heard.before, 0.95), percentile(heard.during, 0.95)
    low, high = interval(heard.before, 0.95)
    sure = f"p95 before of {len(heard.before)} jobs, 95 % between {low * 1000:.0f} and {high * 1000:.0f} ms"
    return Result(
        section="f",
        title="Jobs of one provider while another hangs",
        rows=(
            _row("before", heard.before, f"{heard.rate:.1f} jobs a second, each provider answers in {LATENCY:g} s"),
            _row("while it hangs", heard.during, f"{heard.hung} jobs hung, {heard.most_out} of them in flight"),
        ),
        goals=(Goal(text="p95 while it hangs / before", value=during / before, bound=1.1, note=sure),),
    )


def measure(pace: Pace) -> Heard:
    """Send jobs of two providers at that pace, and let one of the providers hang after a while."""
    with (
        tempfile.TemporaryDirectory() as home,
        serving(LATENCY) as noisy,
        serving(LATENCY) as steady,
        running_house(Path(home), _config(noisy, steady)) as house,
        Client(house.settings) as client,
        ThreadPoolExecutor(WAITING) as waiting,
    ):
        alone = [_alone(client, model) for model in ("noisy", "steady") * (WARM_UP // 2)]
        rate = max(pace.busy / (median(alone) - LATENCY), pace.fewest / min(pace.before, pace.hang))
        before, _ = _send(client, waiting, _due(pace.before, rate, pace.noisy))
        noisy.hang(pace.hang)
        during, hung = _send(client, waiting, _due(pace.hang, rate, pace.noisy))
        for view in client.as_ended(hung, TIMEOUT):
            require_success(view)
        return Heard(before, during, len(hung), noisy.most_out(), rate)


def _alone(client: Client, model: str) -> float:
    """Seconds that one job takes while there is no other."""
    began = time.monotonic()
    require_success(client.submit(_call(model), PROMPT).wait(TIMEOUT))
    return time.monotonic() - began


def _send(
    client: Client, waiting: ThreadPoolExecutor, jobs: list[tuple[float, str]]
) -> tuple[list[float], list[Handle]]:
    """Send jobs when they are due: how long each of the steady one took, and the handles of the others."""
    taken, others = list[Future[float]](), list[Handle]()
    began = time.monotonic()
    for due, model in jobs:
        time.sleep(max(0.0, began + due - time.monotonic()))
        if model == "steady":
            taken.append(waiting.submit(_take, client, began + due))
        else:
            others.append(client.submit(_call(model), PROMPT))
    return [future.result() for future in taken], others


def _due(seconds: float, rate: float, noisy: float) -> list[tuple[float, str]]:
    """When a job of which model is sent, in seconds from the beginning: at random, which keeps step with no timer."""
    dice, due, at = random.Random(1), list[tuple[float, str]](), 0.0
    while (at := at + dice.expovariate(rate)) < seconds:
        due.append((at, "noisy" if dice.random() < noisy else "steady"))
    return due


def _take(client: Client, due: float) -> float:
    require_success(client.submit(_call("steady"), PROMPT).wait(TIMEOUT))
    return time.monotonic() - due


def _call(model: str) -> Call:
    return Call(model=model, max_tokens=MAX_TOKENS)


def _config(noisy: Provider, steady: Provider) -> str:
    return "\n".join(
        [
            "providers:",
            *(_provider(name, provider) for name, provider in (("noisy", noisy), ("steady", steady))),
            "models:",
            *(
                f"  {name}: {{provider: {name}, name: {MODEL}, price: {{input: 0.75, output: 4.5}}}}"
                for name in ("noisy", "steady")
            ),
        ]
    )


def _provider(name: str, provider: Provider) -> str:
    return f'  {name}: {{api: openai, base_url: "{provider.url}", key_env: BENCH_KEY, concurrency: {IN_FLIGHT}}}'


def _row(name: str, seconds: list[float], note: str) -> Row:
    figures = [
        Figure(name=label, unit="ms", values=(round(percentile(seconds, share) * 1000, 2),))
        for label, share in (("p50", 0.5), ("p95", 0.95), ("longest", 1.0))
    ]
    return Row(name=name, figures=(*figures, Figure(name="jobs", unit="", values=(len(seconds),))), note=note)
