"""The learned router against its rivals, where every question of a file is unseen by what predicts it.

Half of a file tells APGR to a few points, and routers differ by less. So a file is predicted in folds, by the hash of
its questions' ids: each question by methods that learned from the other folds. Differences are taken question by
question, since the bootstrap draws the same ones for all methods (see `learning.compare.bootstrap`).

APGR divides by the gap between the two models, which few questions tell badly. So what is sure is judged without it, by
the mean quality over all shares of calls to the strong model: the same order of methods, and no division.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from scipy.stats import rankdata

from learning.compare import rivals
from learning.compare.bootstrap import LEVEL, interval, resamples
from learning.compare.factorisation import by_factorisation
from learning.compare.learned import predict_all
from learning.compare.measure import ends_of
from learning.compare.metrics import Floats, apgr_by_calls, quality_by_calls
from learning.compare.plan import Plan
from learning.compare.results import CrossFit, Lead
from learning.compare.rivals import Chances, Pair, Scores
from learning.compare.sweep import thresholds
from learning.compare.table import Table
from learning.train import train_router
from pipelines.routers.wordllama import embed

LEARNED = "learned"
POOLED = "all together"
FEWEST = 200
"""Questions of a file that counts among all: with fewer, the gap that APGR divides by may be none at all."""


@dataclass(frozen=True, eq=False, slots=True)
class Recovered:
    """What each method is worth on the file of this name, or on several, both by method and [1 + resamples].

    `quality` is the mean over all shares of calls to the strong model; `apgr` is NaN where there is no gap to recover.
    """

    name: str
    questions: int
    apgr: Mapping[str, Floats]
    quality: Mapping[str, Floats]

    def ahead(self) -> dict[str, Floats]:
        """By how much the learned router's quality is above each rival's."""
        return {name: self.quality[LEARNED] - quality for name, quality in self.quality.items() if name != LEARNED}


def cross_fit(plan: Plan, times: int) -> Recovered:
    """What each method is worth on all questions of the file; no methods where the cheapest model is the best as well.

    `times` is the number of resamples.
    """
    apgr: dict[str, Floats] = {}
    quality: dict[str, Floats] = {}
    learn, report = plan.promised
    pair = plan.trial.pair
    if pair[0] == pair[1]:
        return Recovered(plan.name, len(report), apgr, quality)
    known = learn.embedded(embed)
    asked = known if report is learn else report.embedded(embed)
    weights = resamples(len(report), times, plan.trial.seed + crc32(plan.name.encode()))
    ends = ends_of(report, pair, weights)
    gain = report.score[:, pair[1]] - report.score[:, pair[0]]
    for name, scores in METHODS.items():
        wanted = np.empty(len(report))
        for rows, unseen in plan.folds():
            wanted[unseen] = _ranked(scores(known.rows(rows), asked.rows(unseen), pair))
        to_strong = (wanted[:, None] >= thresholds(wanted)).astype(float)
        curve = ends.cheap_quality[:, None] + weights @ (gain[:, None] * to_strong), weights @ to_strong
        apgr[name], quality[name] = apgr_by_calls(*curve, ends), quality_by_calls(*curve)
    return Recovered(plan.name, len(report), apgr, quality)


def compare_all(plans: Sequence[Plan], found: Sequence[Recovered]) -> list[CrossFit]:
    """The figures of each file, and last of all together: the mean of those that are large and no part of another."""
    parts = {part for plan in plans for part in plan.parts}
    able = [one for one in found if one.quality]
    counted = [one for one in able if one.questions >= FEWEST and one.name not in parts]
    if len(counted) > 1:
        able.append(_pooled(counted))
    bound = _bound_of_all([ahead for one in able for ahead in one.ahead().values()])
    return [_figures(one, bound, counted if one.name == POOLED else [one]) for one in able]


def _by_learned(train: Table, test: Table) -> Floats:
    return predict_all(train_router(train.outcomes, train.models), test)


def _gain(chances: Chances) -> Scores:
    """How much better the strong model's chance is than the cheap one's."""

    def scores(train: Table, test: Table, pair: Pair) -> Floats:
        found = chances(train, test)
        return np.asarray(found[:, pair[1]] - found[:, pair[0]])

    return scores


def _by_lot(train: Table, test: Table, pair: Pair) -> Floats:
    """No question before another: between none and all of them, a curve is a straight line."""
    del train, pair
    return np.zeros(len(test))


METHODS: dict[str, Scores] = {
    LEARNED: _gain(_by_learned),
    "tf-idf": _gain(rivals.by_tf_idf),
    "neighbours": _gain(rivals.by_neighbours),
    "similarity-weighted": rivals.by_similarity,
    "matrix factorisation": by_factorisation,
    "complexity": rivals.by_complexity,
    "random mix": _by_lot,
}


def _ranked(scores: Floats) -> Floats:
    """The scores as ranks, 0..1: what learned from other folds need not have the same scale."""
    return np.asarray((rankdata(scores) - 0.5) / len(scores))


def _pooled(files: Sequence[Recovered]) -> Recovered:
    """The mean over the files, each of which is drawn anew by itself."""
    return Recovered(
        POOLED,
        sum(file.questions for file in files),
        {name: np.mean([file.apgr[name] for file in files], axis=0) for name in METHODS},
        {name: np.mean([file.quality[name] for file in files], axis=0) for name in METHODS},
    )


def _bound_of_all(ahead: Sequence[Floats]) -> float:
    """How many standard errors a difference must exceed, so that in 95 of 100 runs no difference does by chance.

    The maximum of all studentised differences, by the bootstrap (Westfall and Young 1993; Romano and Wolf 2005).
    """
    spread = [(one[1:] - one[0]) / one[1:].std() for one in ahead if one[1:].std() > 0]
    return float(np.quantile(np.max(np.abs(spread), axis=0), LEVEL)) if spread else np.inf


def _figures(one: Recovered, bound: float, counted: Sequence[Recovered]) -> CrossFit:
    return CrossFit(
        name=one.name,
        files=[file.name for file in counted],
        questions=one.questions,
        apgr={name: interval(values) for name, values in one.apgr.items()},
        leads={
            name: Lead(
                apgr=interval(one.apgr[LEARNED] - one.apgr[name]),
                quality=interval(ahead),
                surely=bool(abs(ahead[0]) > bound * ahead[1:].std() > 0),
            )
            for name, ahead in one.ahead().items()
        },
    )
