"""Whether a promised quality is kept: thresholds from one half of the questions, counted on the other."""

from __future__ import annotations

from learning.compare.learned import aim, predict_all
from learning.compare.methods import TARGETS
from learning.compare.results import Promise
from learning.compare.table import Table, random_halves
from learning.train import train_router

POINT = 0.01


def check_promises(table: Table, splits: int, seed: int) -> list[Promise]:
    """Train on a random half, aim at each target on the other, in so many splits."""
    relative: dict[float, list[float]] = {target: [] for target in TARGETS}
    saved: dict[float, list[float]] = {target: [] for target in TARGETS}
    for learn, unseen in random_halves(len(table), splits, seed):
        train, test = table.rows(learn), table.rows(unseen)
        router = train_router(train.outcomes, table.models, seed=seed)
        chances = predict_all(router, test)
        best = float(test.score[:, train.strong].mean())
        dear = float(test.cost[:, train.strong].mean())
        for target in TARGETS:
            got = aim(router, train, test, chances, range(len(table.models)), target)
            relative[target].append(float(got.quality.mean()) / best if best else 1.0)
            saved[target].append(1 - float(got.cost.mean()) / dear if dear else 0.0)
    return [
        Promise(target, sum(one >= target - POINT for one in relative[target]), splits, relative[target], saved[target])
        for target in TARGETS
    ]
