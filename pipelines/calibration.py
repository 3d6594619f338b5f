"""Find the thresholds of a cascade's tiers that keep a quality at the least cost, from runs whose quality is known.

A policy is a threshold for each tier but the last, whose answer always stands. Played on a run, it stops at the first
tier whose score reaches its threshold: the run then has that tier's quality, and costs what the tiers so far cost.
What a run did not ask is not known: it counts as wrong, and costs what that tier costs on average.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import NormalDist, fmean

NEVER = math.inf
"""The threshold of a tier whose answer is never accepted."""
PLAYED = 400_000
"""Runs that a search may play in all, about."""
RESAMPLES = 1000
FOLDS = 5
FEWEST = 20
"""With fewer labelled runs nothing is said for sure."""
TINY = 1e-9


@dataclass(frozen=True, slots=True)
class TierRun:
    """A tier in one run: its score, what its answer was worth (0..1, None: not known), and what asking it cost, USD."""

    score: float
    quality: float | None
    cost: float


Run = tuple[TierRun, ...]
"""One labelled run of a cascade: the tiers that were asked, in order."""
Policy = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a policy does on the runs: mean quality with a 95 % interval, mean cost, and how often each tier answers.

    `unknown` is the share of runs that say nothing of it, and count as wrong.
    """

    policy: Policy
    quality: float
    low: float
    high: float
    cost: float
    shares: tuple[float, ...]
    unknown: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """`best` is the cheapest policy that reaches the target on the runs, or, where none does, the best there is.

    `held_out` is the quality of policies chosen without the runs that they are measured on. `strongest` always asks the
    last tier. `table` holds what else one may choose, from the cheapest to the best.
    """

    runs: int
    target: float
    best: Estimate
    held_out: float | None
    strongest: Estimate
    table: tuple[Estimate, ...]

    @property
    def reached(self) -> bool:
        """Whether the runs reach the target with `best`."""
        return self.best.quality >= self.target - TINY

    @property
    def sure(self) -> bool:
        """Whether the interval of `best`, too, lies above the target."""
        return self.runs >= FEWEST and self.best.low >= self.target

    @property
    def verdict(self) -> str:
        """An honest word on what the runs can tell."""
        if not self.reached:
            return (
                f"No thresholds reach {self.target:g} on these {self.runs} runs; the best reach "
                f"{self.best.quality:.3f}. A better last tier, or a better gate, could."
            )
        if self.sure:
            return f"The runs carry it: with 95 % confidence the quality is at least {self.best.low:.3f}."
        wanted = runs_needed(self.best.quality, self.target)
        more = f" About {wanted:,} would, if the quality stays so." if wanted else ""
        return (
            f"These {self.runs} runs cannot tell: the quality may be as low as {self.best.low:.3f}, "
            f"below {self.target:g}.{more}"
        )


def calibrate(runs: Sequence[Run], tiers: int, target: float) -> Calibration:
    """The policy for a cascade of so many `tiers`; `runs` must not be empty. The same runs give the same answer."""
    points = _frontier(runs, tiers)
    best = _choose(points, target)
    return Calibration(
        runs=len(runs),
        target=target,
        best=estimate(runs, best.policy),
        held_out=_held_out(runs, tiers, target),
        strongest=estimate(runs, (NEVER,) * (tiers - 1)),
        table=tuple(estimate(runs, point.policy) for point in _thinned(points, best)),
    )


def play(run: Run, policy: Policy, means: Sequence[float]) -> tuple[int, float | None, float]:
    """The tier that answers, its quality, and what it all costs; `means` are the mean costs of the tiers."""
    cost = 0.0
    for tier in range(len(policy) + 1):
        if tier >= len(run):
            return len(policy), None, cost + sum(means[tier:])
        cost += run[tier].cost
        if tier == len(policy) or run[tier].score >= policy[tier]:
            return tier, run[tier].quality, cost
    raise AssertionError("the last tier always answers")


def estimate(runs: Sequence[Run], policy: Policy) -> Estimate:
    """What `policy` does on `runs`."""
    means = _mean_costs(runs, len(policy) + 1)
    played = [play(run, policy, means) for run in runs]
    qualities = [quality or 0.0 for _, quality, _ in played]
    low, high = interval(qualities)
    return Estimate(
        policy=policy,
        quality=fmean(qualities),
        low=low,
        high=high,
        cost=fmean(cost for _, _, cost in played),
        shares=tuple(sum(tier == t for t, _, _ in played) / len(runs) for tier in range(len(policy) + 1)),
        unknown=sum(quality is None for _, quality, _ in played) / len(runs),
    )


def interval(qualities: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Of their mean: Wilson's score interval where each is 0 or 1 (Wilson, 1927), else a percentile bootstrap's."""
    count, mean = len(qualities), fmean(qualities)
    if all(quality in (0.0, 1.0) for quality in qualities):
        z = NormalDist().inv_cdf((1 + confidence) / 2)
        centre = (mean + z * z / (2 * count)) / (1 + z * z / count)
        half = z * math.sqrt(mean * (1 - mean) / count + z * z / (4 * count * count)) / (1 + z * z / count)
        return max(0.0, centre - half), min(1.0, centre + half)
    dice = random.Random(count)
    means = sorted(fmean(dice.choices(qualities, k=count)) for _ in range(RESAMPLES))
    tail = (1 - confidence) / 2
    return means[int(tail * RESAMPLES)], means[min(RESAMPLES - 1, int((1 - tail) * RESAMPLES))]


def runs_needed(quality: float, target: float, confidence: float = 0.95) -> int | None:
    """How many runs with that quality would put Wilson's interval above `target`; None where no number would."""
    if quality <= target:
        return None
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    # The lower end equals the target where (quality - target)^2 = z^2 target (1 - target) / n.
    return math.ceil(z * z * target * (1 - target) / (quality - target) ** 2)


@dataclass(frozen=True, slots=True)
class _Point:
    """What a policy did: its mean quality and cost."""

    policy: Policy
    quality: float
    cost: float


def _frontier(runs: Sequence[Run], tiers: int) -> list[_Point]:
    """The policies that no other one beats at both quality and cost, from the cheapest to the best."""
    means = _mean_costs(runs, tiers)
    points: list[_Point] = []
    for policy in _policies(runs, tiers):
        played = [play(run, policy, means) for run in runs]
        quality, cost = fmean(quality or 0.0 for _, quality, _ in played), fmean(cost for _, _, cost in played)
        points.append(_Point(policy, quality, cost))
    points.sort(key=lambda point: (point.cost, -point.quality, point.policy))
    kept = points[:1]
    for point in points[1:]:
        if point.quality > kept[-1].quality + TINY:
            kept.append(point)
    return kept


def _policies(runs: Sequence[Run], tiers: int) -> Iterator[Policy]:
    """Thresholds to try: the scores seen at each tier, thinned out evenly when that would be too many."""
    room = max(4, int((PLAYED / len(runs)) ** (1 / max(1, tiers - 1))))
    candidates = []
    for tier in range(tiers - 1):
        scores = sorted({run[tier].score for run in runs if tier < len(run) and math.isfinite(run[tier].score)})
        if len(scores) > room - 1:
            scores = [scores[round(index * (len(scores) - 1) / (room - 2))] for index in range(room - 1)]
        candidates.append([*dict.fromkeys(scores), NEVER])
    return product(*candidates)


def _choose(points: Sequence[_Point], target: float) -> _Point:
    """The cheapest that reaches the target; where none does, the best."""
    return next((point for point in points if point.quality >= target - TINY), points[-1])


def _held_out(runs: Sequence[Run], tiers: int, target: float) -> float | None:
    """The quality of each run under the policy chosen from the others, a fifth of them at a time; None when too few."""
    if len(runs) < FEWEST:
        return None
    qualities: list[float] = []
    for fold in range(FOLDS):
        others = [run for index, run in enumerate(runs) if index % FOLDS != fold]
        policy, means = _choose(_frontier(others, tiers), target).policy, _mean_costs(others, tiers)
        qualities += [play(run, policy, means)[1] or 0.0 for run in runs[fold::FOLDS]]
    return fmean(qualities)


def _mean_costs(runs: Sequence[Run], tiers: int) -> list[float]:
    asked = [[run[tier].cost for run in runs if tier < len(run)] for tier in range(tiers)]
    return [fmean(costs) if costs else 0.0 for costs in asked]


def _thinned(points: Sequence[_Point], best: _Point, most: int = 12) -> list[_Point]:
    """At the most so many of them, with the first, the last and `best`."""
    if len(points) <= most:
        return list(points)
    kept = {round(index * (len(points) - 1) / (most - 2)) for index in range(most - 1)} | {points.index(best)}
    return [points[index] for index in sorted(kept)]
