"""Find the cheapest way of asking models for a quality, from recorded outcomes: which order, agreement and threshold.

Chosen on one half of the outcomes and measured on the other, of which the choice knew nothing. A choice is safe where
its quality can be promised in spite of the error that a half of this size leaves (`margin.safe_quality`). One model
alone counts as a cascade of one tier, so the best of them is always there to be chosen. Of ways that cost the same, as
far as so many questions tell, the simplest is chosen: the fewest models, and a learned policy last.

Cascades ask the cheapest first. Trying every order saved a little more on recorded outcomes and kept fewer promises
there: the more ways there are, the more of them look good by luck.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from learning.cascades import (
    AgreementCascade,
    LearnedCascade,
    Result,
    best_single,
    cost_of,
    groups_in,
    orders,
    play_agreement,
    quality_of,
    shares_of,
    simulate,
    single,
)
from learning.outcomes import Outcome, models_of
from learning.policies import train_policy
from mirepoix.errors import InputError
from mirepoix.spec import SameAs
from pipelines.learned.answer_policy import MOST_MODELS, AnswerPolicy
from pipelines.learned.margin import POINT, safe_quality
from pipelines.learned.states import Floats
from pipelines.learned.ways import Way, cheapest_safe

FEWEST = 40
"""Below that a half is too small to choose from, and to measure on."""
MOST_TIERS = 12
RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean, and the 95 % interval of a bootstrap over the questions (percentiles)."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What a choice does on the half it was not chosen from: quality and saved cost relative to the best single model.

    `shares` is how often each model is asked.
    """

    quality: Interval
    saved: Interval
    cost: float
    shares: dict[str, float]


@dataclass(frozen=True, slots=True)
class Choice:
    """A way of asking, what it cost (USD per question) and achieved where it was chosen, and what it does elsewhere.

    `safe` is the quality that can be promised. Exactly one of `cascade` and `policy` is given; `asks` is the way in
    which the latter has its models asked.
    """

    cost: float
    safe: float
    held_out: Measured
    cascade: AgreementCascade | None = None
    policy: AnswerPolicy | None = None
    asks: Way | None = None

    @property
    def models(self) -> tuple[str, ...]:
        """Those that it asks: a cascade in this order."""
        return self.cascade.order if self.cascade is not None else self.policy.models if self.policy is not None else ()

    @property
    def way(self) -> str:
        """As people are told it."""
        if self.cascade is None:
            return f"learned policy ({self.asks.told})" if self.asks else "learned policy"
        alone = len(self.models) == 1
        return f"{self.models[0]} alone" if alone else f"{' > '.join(self.models)}, agreement {self.cascade.agreement}"

    def reaches(self, target: float) -> bool:
        """Whether the target can be promised with it."""
        return self.safe >= target


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was found: `reference` is the best single model, `chosen` the cheapest of `choices` that is safe.

    Where none is, it is the one with the most quality that can be promised. `by` is when answers were the same, and
    `current` what a policy that decides already did on the half that nothing was chosen from.
    """

    target: float
    by: SameAs
    reference: str
    chosen_from: int
    measured_on: int
    choices: tuple[Choice, ...]
    chosen: Choice
    current: Measured | None = None

    @property
    def reached(self) -> bool:
        """Whether the target can be promised."""
        return self.chosen.reaches(self.target)

    @property
    def learned(self) -> Choice:
        """The learned policy."""
        return next(choice for choice in self.choices if choice.policy is not None)

    @property
    def better(self) -> bool:
        """Whether the learned policy is better than all else: the cheapest way that is safe, and ahead of `current`.

        Of two that met the target the cheaper is ahead, else the one with more quality.
        """
        if self.chosen is not self.learned or not self.reached:
            return False
        if self.current is None:
            return True
        ours, theirs = self.learned.held_out, self.current
        if min(ours.quality.mean, theirs.quality.mean) >= self.target - POINT:
            return ours.cost < theirs.cost
        return ours.quality.mean > theirs.quality.mean

    @property
    def verdict(self) -> str:
        """What the numbers say of the learned policy, to follow "it is"."""
        if not self.learned.reaches(self.target):
            return f"unable to promise {self.target:g} on so many questions: {self.learned.safe:.3f} at the most"
        if self.chosen is not self.learned:
            return f"no cheaper, for sure, than {self.chosen.way}, which can promise {self.target:g} too"
        if self.current is None:
            return f"the cheapest way that can promise {self.target:g}"
        met = f"{self.learned.held_out.quality.mean:.3f} at {self.learned.held_out.cost:.6f} USD a question"
        against = f"{self.current.quality.mean:.3f} at {self.current.cost:.6f}"
        word = "better" if self.better else "not better"
        return f"{word} than the current policy on {self.measured_on} questions kept back: {met}, against {against}"


def tune(
    outcomes: Sequence[Outcome],
    target: float,
    *,
    models: Sequence[str] | None = None,
    by: SameAs | None = None,
    current: AnswerPolicy | None = None,
    seed: int = 1,
) -> Tuning:
    """Choose among `models` (default: all that every outcome has) for `target`, a share of the best one's quality.

    `current` is a policy that decides already, to be compared with. Raises InputError where there are too few outcomes,
    too few or too many models, or costs are missing.
    """
    names = tuple(models or models_of(outcomes))
    if not 2 <= len(names) <= MOST_TIERS:
        raise InputError(f"2 to {MOST_TIERS} models can be tuned, not {len(names)}; name them as tiers.")
    if len(outcomes) < 2 * FEWEST:
        raise InputError(f"{len(outcomes)} outcomes are too few to choose from one half and measure on the other.")
    shuffled = list(outcomes)
    random.Random(seed).shuffle(shuffled)
    here, there = shuffled[: len(shuffled) // 2], shuffled[len(shuffled) // 2 :]
    sense = by or SameAs()
    reference = best_single(names, here)
    base = single(reference, there)
    cascade = _best_cascade(here, names, reference, target, sense)
    played = simulate(cascade, here)
    found = [_of_cascade(cascade, played, here, there, reference, base)]
    learned = train_policy(here, shortlist(here, names, cascade.order), by=sense, seed=seed)
    found.append(_of_policy(learned, target, there, base, sense))
    choices = tuple(found)
    chosen = choices[simplest_safe(*_figures(choices), cost_error([one.cost for one in played]), target)]
    now = None if current is None else _played(current, _way_for(current, target), there, base, sense)
    return Tuning(target, sense, reference, len(here), len(there), choices, chosen, now)


def shortlist(
    outcomes: Sequence[Outcome], models: Sequence[str], first: Sequence[str], most: int = MOST_MODELS
) -> tuple[str, ...]:
    """The `most` useful models (default: as many as a policy can know).

    Those of `first`, the best, then those with most quality for their cost.
    """
    results = {model: single(model, outcomes) for model in models}
    per_usd = sorted(models, key=lambda model: -quality_of(results[model]) / max(cost_of(results[model]), 1e-12))
    ranked = dict.fromkeys([*first, best_single(models, outcomes), *per_usd])
    return tuple(sorted(list(ranked)[:most], key=list(models).index))


def measure(results: Sequence[Result], base: Sequence[Result]) -> Measured:
    """`results` against those of the best single model on the same questions."""
    quality = np.array([[result.quality, other.quality] for result, other in zip(results, base, strict=True)])
    cost = np.array([[result.cost, other.cost] for result, other in zip(results, base, strict=True)])
    rows = np.random.default_rng(len(quality)).integers(0, len(quality), (RESAMPLES, len(quality)))
    return Measured(
        quality=_interval(_ratio(quality), [_ratio(quality[picked]) for picked in rows]),
        saved=_interval(1 - _ratio(cost), [1 - _ratio(cost[picked]) for picked in rows]),
        cost=cost_of(results),
        shares=shares_of(results),
    )


def _best_cascade(
    outcomes: Sequence[Outcome], models: Sequence[str], reference: str, target: float, by: SameAs
) -> AgreementCascade:
    """The simplest cascade of those that are safe and cost about the least; where none is safe, the safest."""
    groups = np.array([groups_in(outcome, models, by) for outcome in outcomes])
    score = np.array([[outcome.score[model] for model in models] for outcome in outcomes])
    cost = np.array([[float(outcome.cost[model]) for model in models] for outcome in outcomes])
    best = score[:, models.index(reference)]
    tried = list(orders(cost))
    safe, usd, error = np.empty((3, len(tried)))
    for number, (order, agreement) in enumerate(tried):
        quality, spent = play_agreement(order, agreement, groups, score, cost)
        safe[number], usd[number], error[number] = safe_quality(quality, best), spent.mean(), cost_error(spent)
    order, agreement = tried[simplest_safe(safe, usd, error, target)]
    return AgreementCascade(tuple(models[index] for index in order), agreement, by=by)


def simplest_safe(safe: Floats, cost: Floats, error: Floats | float, target: float) -> int:
    """The place of the simplest way whose cost is within one standard error of the cheapest of those that are safe.

    All are [ways], from the simplest to the least simple; `error` is the standard error of `cost`. Where none reaches
    `target`, the safest. The rule of one standard error: Breiman et al. 1984, "Classification and Regression Trees".
    """
    cheapest = cheapest_safe(safe, cost, target)
    if safe[cheapest] < target:
        return cheapest
    allowed = cost[cheapest] + np.broadcast_to(error, cost.shape)[cheapest]
    return int(np.flatnonzero((safe >= target) & (cost <= allowed))[0])


def cost_error(cost: Sequence[float] | Floats) -> float:
    """The standard error of the mean of these costs."""
    return float(np.std(cost)) / math.sqrt(len(cost))


def _figures(choices: Sequence[Choice]) -> tuple[Floats, Floats]:
    return np.array([choice.safe for choice in choices]), np.array([choice.cost for choice in choices])


def _of_cascade(
    cascade: AgreementCascade,
    played: Sequence[Result],
    here: Sequence[Outcome],
    there: Sequence[Outcome],
    reference: str,
    base: Sequence[Result],
) -> Choice:
    best = single(reference, here)
    safe = safe_quality(np.array([one.quality for one in played]), np.array([one.quality for one in best]))
    return Choice(cost_of(played), safe, measure(simulate(cascade, there), base), cascade=cascade)


def _of_policy(
    policy: AnswerPolicy, target: float, there: Sequence[Outcome], base: Sequence[Result], by: SameAs
) -> Choice:
    promise = policy.promise
    index = promise.way_for(target)
    way, measured = promise.ways[index], _played(policy, promise.ways[index], there, base, by)
    return Choice(float(promise.cost[index]), float(promise.safe[index]), measured, policy=policy, asks=way)


def _way_for(policy: AnswerPolicy, target: float) -> Way:
    return policy.promise.ways[policy.promise.way_for(target)]


def _played(
    policy: AnswerPolicy, way: Way, outcomes: Sequence[Outcome], base: Sequence[Result], by: SameAs
) -> Measured:
    return measure(simulate(LearnedCascade(policy, way, by), outcomes), base)


def _ratio(pairs: Floats) -> float:
    ours, theirs = pairs.mean(axis=0)
    return float(ours / theirs) if theirs else 0.0


def _interval(mean: float, resampled: Sequence[float]) -> Interval:
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Interval(mean, float(low), float(high))
