"""Whether a promised quality is kept: settings chosen on one half of the questions, counted on the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from learning.compare.answers import (
    LIKE_TUNE,
    agreement_cascade,
    best_cascades,
    cascades_of,
    promised,
    train_on,
    voters_in,
)
from learning.compare.learned import aim, ask_all
from learning.compare.results import Promise
from learning.compare.sweep import Sweep
from learning.compare.table import Table
from learning.train import train_router
from learning.tune import FEWEST
from pipelines.learned.margin import POINT

TARGETS = (0.99, 0.98)
SEED = 1
"""Of a policy's folds."""
Halves = Sequence[tuple[Table, Table]]
Choose = Callable[[Table, Table], Mapping[float, Sweep]]
"""Learns and chooses on one half; what that does with the questions of the other, by target."""


def check_routing(halves: Halves) -> list[Promise]:
    """A learned router, trained anew on each half."""
    return _check("learned", halves, _route)


def check_cascades(halves: Halves) -> list[Promise]:
    """An agreement cascade, its order found anew on each half, and a policy learned there; nothing without answers."""
    if not all(voters_in(learn) for learn, _ in halves):
        return []
    checked = _check("agreement cascade", halves, _cascade)
    return checked + _check("cascade routing", halves, _policy) if len(halves[0][0]) >= FEWEST else checked


def _route(learn: Table, unseen: Table) -> dict[float, Sweep]:
    router = train_router(learn.outcomes, learn.models)
    said = ask_all(router, learn, unseen)
    return {target: aim(router, unseen, said, range(len(learn.models)), target) for target in TARGETS}


def _cascade(learn: Table, unseen: Table) -> dict[float, Sweep]:
    best = best_cascades(learn, cascades_of(learn, voters_in(learn)), TARGETS)
    return {target: agreement_cascade(unseen, one) for target, one in best.chosen.items()}


def _policy(learn: Table, unseen: Table) -> dict[float, Sweep]:
    voters = voters_in(learn)
    found = best_cascades(learn, cascades_of(learn, voters), (LIKE_TUNE,))
    return promised(train_on(learn, voters, found.chosen[LIKE_TUNE], SEED), unseen, TARGETS)


def _check(method: str, halves: Halves, choose: Choose) -> list[Promise]:
    relative: dict[float, list[float]] = {target: [] for target in TARGETS}
    saved: dict[float, list[float]] = {target: [] for target in TARGETS}
    for learn, unseen in halves:
        best, dear = float(unseen.score[:, learn.strong].mean()), float(unseen.cost[:, learn.strong].mean())
        for target, got in choose(learn, unseen).items():
            relative[target].append(float(got.quality.mean()) / best if best else 1.0)
            saved[target].append(1 - float(got.cost.mean()) / dear if dear else 0.0)
    return [
        Promise(method, target, sum(one >= target - POINT for one in met), len(met), met, saved[target])
        for target, met in relative.items()
    ]
