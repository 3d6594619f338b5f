"""The whole comparison: every method on every file, on as many processes as there are cores."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from importlib.metadata import version

from learning.compare.answers import answer_methods
from learning.compare.bootstrap import resamples
from learning.compare.learned import facts, train_elsewhere, try_router
from learning.compare.measure import measure
from learning.compare.methods import Tried, oracle, published_routers, simple_methods
from learning.compare.plan import Plan
from learning.compare.promise import check_promises
from learning.compare.results import FileResult
from learning.train import train_router
from pipelines.routers.wordllama import embed

PACKAGES = ("mirepoix", "numpy", "scikit-learn", "wordllama")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""One process a core is quicker than many threads in each, and times a router on one core as it will run."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How exact it is to be: resamples for intervals, and random splits for the promises."""

    resamples: int = 1_000
    splits: int = 10


QUICK = Effort(resamples=200, splits=2)


def run(plans: Sequence[Plan], effort: Effort, said: Callable[[str], None]) -> list[FileResult]:
    """Compare all methods on all files; `said` is told whose figures are there."""
    for thread in THREADS:
        os.environ[thread] = "1"
    found = []
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn"), _end_with_parent) as pool:
        largest_first = sorted(plans, key=lambda plan: -len(plan.whole))
        compared = {one.name: pool.submit(compare, one, effort) for one in largest_first}
        promised = {
            one.name: pool.submit(check_promises, one.whole, effort.splits, one.trial.seed) for one in largest_first
        }
        for one in plans:
            found.append(replace(compared[one.name].result(), promises=promised[one.name].result()))
            said(one.name)
    return found


def _end_with_parent() -> None:
    """A process that computes for nobody would wait for ever: where the one that started it is killed, it ends too."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="mirepoix-parent", daemon=True).start()


def compare(plan: Plan, effort: Effort) -> FileResult:
    """All methods on one file; the promises are counted apart."""
    begun = time.monotonic()
    trial = replace(plan.trial, train=plan.trial.train.embedded(embed), test=plan.trial.test.embedded(embed))
    train, test = trial.train, trial.test
    router = train_router(train.outcomes, train.models, seed=trial.seed)
    abroad = train_elsewhere(trial, plan.elsewhere)

    def tried() -> Iterator[Tried]:
        yield from simple_methods(trial)
        yield from published_routers(trial)
        yield from try_router("learned", router, trial)
        if abroad is not None:
            yield from try_router("learned elsewhere", abroad, trial)
        yield from answer_methods(trial)
        yield oracle(trial)

    weights = resamples(len(test), effort.resamples, trial.seed)
    cheap, strong = trial.pair
    no_other = [] if abroad else ["no other file knows two of its models: nothing was learned elsewhere"]
    return FileResult(
        name=plan.name,
        questions={"train": len(train), "test": len(test)},
        models={
            model: (float(test.score[:, m].mean()), float(test.cost[:, m].mean()))
            for m, model in enumerate(test.models)
        },
        cheap=test.models[cheap],
        strong=test.models[strong],
        trained_on=plan.trained_on,
        notes=[*plan.notes, *no_other],
        methods=measure(list(tried()), test, trial.pair, weights),
        router=facts(router, test),
        promises=[],
        seconds=round(time.monotonic() - begun, 1),
    )


def versions() -> dict[str, str]:
    """Of what the figures depend on."""
    return {package: version(package) for package in PACKAGES}
