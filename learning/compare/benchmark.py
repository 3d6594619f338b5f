"""The whole comparison: every method on every file, on as many processes as there are cores."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

from learning.compare.answers import answer_methods
from learning.compare.bootstrap import resamples
from learning.compare.crossfit import Recovered, compare_all, cross_fit
from learning.compare.learned import ask_all, facts, train_elsewhere, try_router
from learning.compare.measure import measure
from learning.compare.methods import Tried, oracle, published_routers, simple_methods
from learning.compare.plan import Plan, Planned
from learning.compare.promise import check_cascades, check_routing
from learning.compare.results import CrossFit, FileResult, Promise, Report
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


def report_on(planned: Planned, effort: Effort, split: str, seed: int, said: Callable[[str], None]) -> Report:
    """The whole run; `said` is told what is done."""
    begun = time.monotonic()
    files, crossed = run(planned.plans, effort, said)
    seconds = round(time.monotonic() - begun, 1)
    return Report(versions(), split, seed, effort.resamples, effort.splits, seconds, files, crossed, planned.skipped)


def run(plans: Sequence[Plan], effort: Effort, said: Callable[[str], None]) -> tuple[list[FileResult], list[CrossFit]]:
    """Compare all methods on all files; `said` is told what is done."""
    for thread in THREADS:
        os.environ[thread] = "1"
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn"), _end_with_parent) as pool:
        work = {
            pool.submit(do, one, effort): (one.name, what)
            for one in sorted(plans, key=lambda plan: -plan.questions)
            for what, do in WORK.items()
        }
        done: dict[tuple[str, str], Any] = {}
        for future in as_completed(work):
            name, what = work[future]
            done[name, what] = future.result()
            said(f"{len(done)}/{len(work)} {name}: {what}")
    routed, cascaded = ([done[one.name, what] for one in plans] for what in PROMISES)
    files = [
        replace(done[one.name, COMPARED], promises=[*first, *second])
        for one, first, second in zip(plans, routed, cascaded, strict=True)
    ]
    return files, compare_all(plans, [done[one.name, CROSSED] for one in plans])


def cross(plan: Plan, effort: Effort) -> Recovered:
    """The routers of a pair where all questions are unseen."""
    return cross_fit(plan, effort.resamples)


def promise_routing(plan: Plan, effort: Effort) -> list[Promise]:
    """Whether a learned router keeps what it promises."""
    return check_routing(plan.halves(effort.splits))


def promise_cascades(plan: Plan, effort: Effort) -> list[Promise]:
    """Whether an agreement cascade keeps what it promises."""
    return check_cascades(plan.halves(effort.splits))


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
    begun = time.process_time()
    trial = replace(plan.trial, train=plan.trial.train.embedded(embed), test=plan.trial.test.embedded(embed))
    train, test = trial.train, trial.test
    router = train_router(train.outcomes, train.models, seed=trial.seed)
    said = ask_all(router, train, test)
    abroad = train_elsewhere(trial, plan.elsewhere)

    def tried() -> Iterator[Tried]:
        yield from simple_methods(trial)
        yield from published_routers(trial)
        yield from try_router("learned", router, trial, said)
        if abroad is not None:
            yield from try_router("learned elsewhere", abroad, trial, ask_all(abroad, train, test))
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
        router=facts(router, test, said.chances),
        promises=[],
        seconds=round(time.process_time() - begun, 1),
    )


COMPARED = "methods compared"
CROSSED = "routers of a pair compared in folds"
PROMISES = {"promises of routing counted": promise_routing, "promises of cascades counted": promise_cascades}
WORK: dict[str, Callable[[Plan, Effort], Any]] = {COMPARED: compare, CROSSED: cross, **PROMISES}
"""What is done with each file, in a process each."""


def versions() -> dict[str, str]:
    """Of what the figures depend on."""
    return {package: version(package) for package in PACKAGES}
