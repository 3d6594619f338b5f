"""From what was tried to figures with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from learning.compare.bootstrap import interval
from learning.compare.methods import Tried
from learning.compare.metrics import Floats, Pair, apgr_by_calls, apgr_by_cost, area, cpt_by_calls, cpt_by_cost, saved
from learning.compare.results import MethodResult, Reached
from learning.compare.sweep import Sweep
from learning.compare.table import Table

SHARES_OF_GAP = (0.5, 0.8)
SHARES_OF_QUALITY = (1.0, 0.99, 0.95)
LEARNED = {"calls": "learned, pair", "cost": "learned"}
"""Whom a method's APGR is compared with."""


def measure(tried: Sequence[Tried], test: Table, pair: tuple[int, int], weights: Floats) -> list[MethodResult]:
    """Figures of all methods on the questions of `test`, between the models of `pair` (cheap, strong).

    `weights` are the bootstrap's, [resamples, questions], the same for all.
    """
    ends = ends_of(test, pair, weights)
    apgr = {one.method: _apgr(one.sweep, ends, weights) for one in tried}
    return [_measure(one, test, ends, weights, apgr) for one in tried]


def ends_of(test: Table, pair: tuple[int, int], weights: Floats) -> Pair:
    """What the models of `pair` (cheap, strong) are worth and cost, in each resample of the questions of `test`."""
    cheap, strong = pair
    return Pair(
        weights @ test.score[:, cheap],
        weights @ test.cost[:, cheap],
        weights @ test.score[:, strong],
        weights @ test.cost[:, strong],
    )


def _apgr(sweep: Sweep, ends: Pair, weights: Floats) -> Floats:
    quality = weights @ sweep.quality
    if sweep.calls is None:
        return apgr_by_cost(quality, weights @ sweep.cost, ends)
    return apgr_by_calls(quality, weights @ sweep.calls, ends)


def _measure(tried: Tried, test: Table, ends: Pair, weights: Floats, apgr: Mapping[str, Floats]) -> MethodResult:
    sweep = tried.sweep
    quality, cost = weights @ sweep.quality, weights @ sweep.cost
    calls = None if sweep.calls is None else weights @ sweep.calls
    axis = "cost" if calls is None else "calls"
    learned = apgr.get(LEARNED[axis])
    cpt = {
        share: cpt_by_cost(quality, cost, ends, share) if calls is None else cpt_by_calls(quality, calls, ends, share)
        for share in SHARES_OF_GAP
    }
    return MethodResult(
        method=tried.method,
        axis="cost" if calls is None else "calls",
        apgr=interval(apgr[tried.method]),
        cpt={f"{share:g}": interval(values) for share, values in cpt.items()},
        saved={f"{share:g}": interval(saved(quality, cost, ends, share)) for share in SHARES_OF_QUALITY},
        area=interval(area(quality, cost, ends)),
        apgr_behind=(None, None, None) if learned is None else interval(learned - apgr[tried.method]),
        reached={f"{target:g}": _reached(one, test, ends, weights) for target, one in tried.chosen.items()},
        curve=sorted(zip(cost[0].tolist(), quality[0].tolist(), strict=True)),
    )


def _reached(sweep: Sweep, test: Table, ends: Pair, weights: Floats) -> Reached:
    quality, cost = (weights @ values[:, 0] for values in (sweep.quality, sweep.cost))
    with np.errstate(divide="ignore", invalid="ignore"):
        relative, left = quality / ends.strong_quality, 1 - cost / ends.strong_cost
    asked = {model: float(share) for model, share in zip(test.models, sweep.asked[:, 0], strict=True) if share > 0}
    return Reached(interval(quality), interval(relative), interval(cost), interval(left), asked)
