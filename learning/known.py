"""Make a router of outcomes of which not every model's is known, and keep some questions from it to measure it by.

A question always falls on the same side, whatever else is known: a router that is trained again, and the one before it,
are measured on questions that neither has learned from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from learning.outcomes import Outcome
from learning.train import FEWEST, train_router
from mirepoix.errors import InputError
from pipelines.learned.model import LearnedRouter

KEPT_BACK = 0.3
"""The share of the questions that a router is measured by."""


@dataclass(frozen=True, slots=True)
class Split:
    """Outcomes to learn from, and others to measure by, of which every model's is known."""

    learn: list[Outcome]
    measure: list[Outcome]


def models_known(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """The models of which enough outcomes are known to learn from, those known best first."""
    counts = Counter(model for outcome in outcomes for model in outcome.score)
    return tuple(model for model, count in counts.most_common() if count >= FEWEST)


def split(outcomes: Sequence[Outcome], models: Sequence[str]) -> Split:
    """About `KEPT_BACK` of the questions to measure by, the others to learn from; raises InputError for too few."""
    told = [outcome for outcome in outcomes if any(model in outcome.score for model in models)]
    learn = [outcome for outcome in told if not _kept_back(outcome)]
    measure = [outcome for outcome in told if _kept_back(outcome)]
    whole = [outcome for outcome in measure if knows_all(outcome, models)]
    for model in models:
        known = sum(model in outcome.score for outcome in learn)
        if known < FEWEST:
            raise InputError(
                f"{known} outcomes of {model!r} are left to learn from; a router needs {FEWEST}. Ask it more questions "
                "(`mirepoix replay --live`, an ensemble), or leave it out with --models."
            )
    unpriced = [model for model in models if not any(model in outcome.cost for outcome in measure)]
    if unpriced:
        raise InputError(
            f"no cost is known of {', '.join(unpriced)}; a router is measured by quality and cost. Give each a `price` "
            "in mirepoix.yaml, or its `cost` in the labels, or leave it out with --models."
        )
    if len(whole) < FEWEST:
        raise InputError(
            f"{len(whole)} of {len(measure)} questions kept back tell score and cost of each of {', '.join(models)}; "
            f"{FEWEST} are needed to measure a router. Let all of them answer more of the same questions."
        )
    return Split(learn, whole)


def knows_all(outcome: Outcome, models: Sequence[str]) -> bool:
    """Whether it tells of each of `models` how good it was, and what it cost."""
    return all(model in outcome.score and model in outcome.cost for model in models)


def train_on_known(outcomes: Sequence[Outcome], models: Sequence[str], *, seed: int = 1) -> LearnedRouter:
    """As `train_router`; what is not known of a model counts as what those outcomes that are known make likely."""
    filled = [dict(outcome.score) for outcome in outcomes]
    for model in models:
        known = [outcome for outcome in outcomes if model in outcome.score]
        if len(known) == len(outcomes):
            continue
        alone = train_router(known, [model], seed=seed)
        for outcome, score in zip(outcomes, filled, strict=True):
            if model not in score:
                score[model] = alone.predict(outcome.question)[model]
    whole = [replace(outcome, score=score) for outcome, score in zip(outcomes, filled, strict=True)]
    return train_router(whole, models, seed=seed)


def _kept_back(outcome: Outcome) -> bool:
    digest = sha256(outcome.question.encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:4], "big") < KEPT_BACK * 2**32
