"""What follows from many jobs: means with 95 % intervals, shares, and an honest word on what cannot be known."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from statistics import NormalDist, fmean

from pydantic import BaseModel, ConfigDict

from pipelines.calibration import FEWEST
from pipelines.whatif.expect import Expected
from pipelines.whatif.means import Means
from pipelines.whatif.outcome import JobOutcome

RESAMPLES = 1000
MOST_DRAWN = 4_000_000
"""Draws of a bootstrap in all: with very many jobs fewer resamples, whose ends vary less then."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Amount(_Part):
    """A mean a job as recorded and as expected; `low` and `high` are the expected mean's 95 % bootstrap interval."""

    recorded: float
    expected: float
    low: float
    high: float


class Quality(_Part):
    """The mean quality of the jobs of which it is known (`known` of them).

    `low` and `high` bound the mean over all labelled jobs with 95 % confidence, whatever the unknown ones are worth:
    these count as wrong for `low` and as right for `high`.
    """

    known: int
    unknown: int
    mean: float | None
    low: float
    high: float


class Rated(_Part):
    """The quality as recorded and as expected; `judged`: by judges, for want of labels."""

    recorded: Quality | None
    expected: Quality | None
    judged: bool


class Share(_Part):
    """Of all calls, the share that a model gets; `unseen` of the expected ones were never made."""

    recorded: float
    expected: float
    unseen: float


class WhatIf(_Part):
    """What another configuration would have done with `jobs` recorded ones.

    `left_out` jobs do not concern it; of `not_known` ones nobody knows, since their texts are redacted or forgotten.
    `shadows` told more of their questions.
    """

    jobs: int
    left_out: int
    not_known: int
    shadows: int
    decided_anew: int
    cost_usd: Amount
    total_recorded_usd: float
    total_expected_usd: float
    seconds: Amount
    models: dict[str, Share]
    quality: Quality | None
    recorded_quality: Quality | None
    judged: bool
    unseen_jobs: int
    unseen_share: float
    said: tuple[str, ...]


def estimate(
    outcomes: Sequence[JobOutcome], means: Means, *, left_out: int = 0, not_known: int = 0, shadows: int = 0
) -> WhatIf:
    """Sum up `outcomes`, of which there is at least one. The same outcomes give the same estimate."""
    rated = rate(outcomes)
    quality, judged = rated.expected, rated.judged
    unseen = sum(one.unseen for one in outcomes)
    return WhatIf(
        jobs=len(outcomes),
        left_out=left_out,
        not_known=not_known,
        shadows=shadows,
        decided_anew=sum(one.decides_anew for one in outcomes),
        cost_usd=_amount([one.recorded.cost for one in outcomes], [one.expected.cost for one in outcomes]),
        total_recorded_usd=math.fsum(one.recorded.cost for one in outcomes),
        total_expected_usd=math.fsum(one.expected.cost for one in outcomes),
        seconds=_amount([one.recorded.seconds for one in outcomes], [one.expected.seconds for one in outcomes]),
        models=_shares([one.recorded for one in outcomes], [one.expected for one in outcomes]),
        quality=quality,
        recorded_quality=rated.recorded,
        judged=judged and quality is not None,
        unseen_jobs=unseen,
        unseen_share=unseen / len(outcomes),
        said=(*_said(outcomes, means, quality, judged=judged), *_said_of_texts(not_known)),
    )


def rate(outcomes: Sequence[JobOutcome]) -> Rated:
    """The quality of the jobs that have a label; where none has, of those that a judge scored."""
    labelled = [one for one in outcomes if not one.judged and one.quality is not None]
    rated = labelled or [one for one in outcomes if one.quality is not None]
    before, after = [one.quality for one in rated], [one.new_quality for one in rated]
    return Rated(recorded=_quality(before), expected=_quality(after), judged=not labelled)


def bootstrap(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """The percentile bootstrap interval of the mean (Efron, 1979)."""
    count = len(values)
    resamples = max(200, min(RESAMPLES, MOST_DRAWN // count))
    dice = random.Random(count)
    means = sorted(fmean(dice.choices(values, k=count)) for _ in range(resamples))
    tail = (1 - confidence) / 2
    return means[int(tail * resamples)], means[min(resamples - 1, int((1 - tail) * resamples))]


def cover(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """An interval of the mean of qualities, 0..1: the bootstrap's, or where each is 0 or 1 Wilson's.

    With the correction for continuity (Newcombe, 1998, method 4): without it, of 4,000 samples of 150 with a mean of
    0.873 only 92.7 % are covered.
    """
    if any(value not in (0.0, 1.0) for value in values):
        return bootstrap(values, confidence)
    count, mean, z = len(values), fmean(values), NormalDist().inv_cdf((1 + confidence) / 2)
    centre, scale = 2 * count * mean + z * z, 2 * (count + z * z)
    below = z * math.sqrt(max(0.0, z * z - 2 - 1 / count + 4 * mean * (count * (1 - mean) + 1)))
    above = z * math.sqrt(max(0.0, z * z + 2 - 1 / count + 4 * mean * (count * (1 - mean) - 1)))
    low = 0.0 if mean == 0 else max(0.0, (centre - 1 - below) / scale)
    return low, 1.0 if mean == 1 else min(1.0, (centre + 1 + above) / scale)


def _amount(recorded: Sequence[float], expected: Sequence[float]) -> Amount:
    low, high = bootstrap(expected)
    return Amount(recorded=fmean(recorded), expected=fmean(expected), low=low, high=high)


def _quality(values: Sequence[float | None]) -> Quality | None:
    """Unknown ones count as wrong for the lower end, as right for the upper one."""
    if not values:
        return None
    known = [value for value in values if value is not None]
    low, _ = cover([value or 0.0 for value in values])
    _, high = cover([1.0 if value is None else value for value in values])
    return Quality(
        known=len(known),
        unknown=len(values) - len(known),
        mean=fmean(known) if known else None,
        low=low,
        high=high,
    )


def _shares(recorded: Sequence[Expected], expected: Sequence[Expected]) -> dict[str, Share]:
    before, after, unseen = _calls(recorded), _calls(expected), Counter[str]()
    for one in expected:
        unseen.update(one.unseen)
    return {
        model: Share(
            recorded=before[model] / (before.total() or 1),
            expected=after[model] / (after.total() or 1),
            unseen=unseen[model] / after[model] if after[model] else 0.0,
        )
        for model in sorted({*before, *after})
    }


def _calls(all_: Sequence[Expected]) -> Counter[str]:
    calls = Counter[str]()
    for one in all_:
        calls.update(one.calls)
    return calls


def _said(outcomes: Sequence[JobOutcome], means: Means, quality: Quality | None, *, judged: bool) -> list[str]:
    """What a reader must know to trust these numbers no further than they go."""
    unseen = Counter[str]()
    for one in outcomes:
        unseen.update(one.expected.unseen)
    said: list[str] = []
    for model, count in unseen.most_common():
        how = "its mean recorded tokens and seconds" if means.of_call(model, None).measured else "those of other models"
        said.append(
            f"about {count:.0f} questions were never put to {model}: their cost and latency are estimated from {how}, "
            "and what it would answer is not known"
        )
    if quality is None:
        said.append("nothing is known of quality: give --labels, or let a judge score the answers")
    elif judged:
        said.append("quality is what judges said of the answers, not what they are worth")
    if quality is not None and quality.unknown:
        said.append(f"of {quality.unknown} answers the quality is not known: the interval spans all that they may be")
    if quality is not None and quality.known + quality.unknown < FEWEST:
        said.append(f"{quality.known + quality.unknown} rated jobs say little")
    said.append("latency is that of the models along the longest way, without waiting in queues and for limits")
    return said


def _said_of_texts(not_known: int) -> list[str]:
    if not not_known:
        return []
    return [f"of {not_known} more jobs the texts are redacted or forgotten: what would become of them is not known"]
