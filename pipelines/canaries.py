"""Whether a canary fails more often than what it is to replace: a test that may be repeated after each job."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, lgamma

from mirepoix.rollouts import Side

FEWEST = 20
"""With fewer jobs ended at the canary nothing is said."""
FALSE_STOPS = 0.01
"""How often, at the most, a canary is stopped in its whole life that fails no more often than the others."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`p` is how likely so many failures at the canary are where both sides fail alike; it stops below `level`."""

    canary: Side
    base: Side
    p: float
    level: float

    @property
    def stops(self) -> bool:
        """Whether it fails more often than chance explains."""
        return self.p < self.level

    @property
    def reason(self) -> str:
        """Why, in words."""
        sides = f"{_told(self.canary)} of the canary failed, {_told(self.base)} of the others"
        return f"{sides}; were they alike, that would happen by chance with p = {self.p:.2g} (limit {self.level:.2g})"


def judge_canary(canary: Side, base: Side) -> Verdict | None:
    """Compare the jobs that ended at the canary with those that ended beside it; None while there are too few.

    Fisher's exact test, one-sided. Since it is repeated with each job, its level falls as 1/(n(n+1)) with the n jobs of
    the canary: these levels sum up to `FALSE_STOPS`, so that looking often finds no more than that (Bonferroni over the
    looks). Simulated (`tests/pipelines/test_canaries.py`), at most one in a hundred that failed as often as the others
    (5 %) was stopped; of a hundred that failed six times as often, half were within 21 jobs and all within 115.
    """
    if canary.jobs < FEWEST:
        return None
    level = FALSE_STOPS * FEWEST / (canary.jobs * (canary.jobs + 1))
    return Verdict(canary, base, fisher(canary, base), level)


def fisher(canary: Side, base: Side) -> float:
    """How likely at least so many of all failures fall on the canary by chance: the hypergeometric upper tail."""
    jobs, failed, drawn = canary.jobs + base.jobs, canary.failed + base.failed, canary.jobs
    if canary.failed == 0:
        return 1.0
    count = canary.failed
    term = exp(_log_choose(failed, count) + _log_choose(jobs - failed, drawn - count) - _log_choose(jobs, drawn))
    tail = term
    while count < min(failed, drawn):
        term *= (failed - count) * (drawn - count) / ((count + 1) * (jobs - failed - drawn + count + 1))
        tail += term
        count += 1
    return min(1.0, tail)


def _log_choose(of: int, some: int) -> float:
    return lgamma(of + 1) - lgamma(some + 1) - lgamma(of - some + 1)


def _told(side: Side) -> str:
    return f"{side.failed} of {side.jobs} jobs ({side.share:.1%})"
