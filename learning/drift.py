"""Whether questions and answers are still what a router was trained for.

Questions: how the chances that it tells, and the lengths of questions, are spread over the tenths that they had when
it was measured (population stability index: below 0.1 nothing has changed, above 0.25 much has; Siddiqi, 2006).
Answers: by how much models were right more often than the router said, then and now.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from learning.outcomes import Outcome
from mirepoix.errors import InputError
from pipelines.learned.model import LearnedRouter

BINS = 10
FEWEST = 50
"""With fewer questions nothing is said."""
MUCH = 0.25
BY_CHANCE = 0.001
"""A change that chance makes more often than this is none: several measures are looked at, again and again."""
FEWEST_LABELS = 20
GAP = 0.05
"""How far from the truth, in the chance of a right answer, is too far."""
SIGMAS = 3.0
LENGTH = "length"
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shift:
    """How much one measure of the questions has changed; `much` is more than chance makes, too."""

    index: float
    much: bool


@dataclass(frozen=True, slots=True)
class Gap:
    """What was told of a model and what came true, over so many labelled questions.

    `before` is by how much it was right more often than told when the router was measured.
    """

    labelled: int
    predicted: float
    right: float
    before: float
    much: bool


@dataclass(frozen=True, slots=True)
class Drift:
    """What has changed over `questions`: in each measure of them, and for each model with enough labels."""

    questions: int
    shifts: dict[str, Shift]
    gaps: dict[str, Gap]

    @property
    def drifted(self) -> bool:
        """Whether the router should be trained again."""
        return any(shift.much for shift in self.shifts.values()) or any(gap.much for gap in self.gaps.values())

    def as_json(self) -> dict[str, Any]:
        """As it is printed."""
        return {**asdict(self), "drifted": self.drifted}


def profile_of(router: LearnedRouter, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What questions that it is measured by look like to the router, and how they came out.

    For each measure the edges of its tenths, and how many fall in each; for each model what `_Count` holds.
    """
    measures = {}
    for name, values in _measures(router, [outcome.question for outcome in outcomes]).items():
        edges = np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1])
        measures[name] = {"edges": edges.tolist(), "counts": _counts(values, edges).tolist()}
    return {"measures": measures, "models": {model: asdict(_count(router, model, outcomes)) for model in router.models}}


def find_drift(router: LearnedRouter, profile: Mapping[str, Any], outcomes: Sequence[Outcome]) -> Drift:
    """Compare questions with the `profile` of those that the router was measured by, and their scores with its chances.

    The router must not have learned from them: it is too sure of those. Raises InputError for too few of them.
    """
    questions = [outcome.question for outcome in outcomes]
    if len(questions) < FEWEST:
        raise InputError(f"{len(questions)} questions that it has not learned from are too few; {FEWEST} are needed.")
    shifts = {name: _shift(profile["measures"][name], values) for name, values in _measures(router, questions).items()}
    gaps = {
        model: _gap(_Count(**then), now)
        for model, then in profile["models"].items()
        if (now := _count(router, model, outcomes)).labelled >= FEWEST_LABELS
    }
    return Drift(len(questions), shifts, gaps)


def _measures(router: LearnedRouter, questions: Sequence[str]) -> dict[str, Floats]:
    predicted = [router.predict(question) for question in questions]
    lengths = np.array([float(len(question)) for question in questions])
    return {LENGTH: lengths} | {
        f"chance of {model}": np.array([chance[model] for chance in predicted]) for model in router.models
    }


def _counts(values: Floats, edges: Floats) -> Floats:
    return np.bincount(np.searchsorted(edges, values, side="left"), minlength=BINS).astype(float)


def _shift(then: Mapping[str, Any], values: Floats) -> Shift:
    """The population stability index, and whether chance would make as much.

    Where nothing has changed it is about (1/n + 1/m) times chi-square of the bins less one (Yurdakul, 2018).
    """
    before, now = np.array(then["counts"], float), _counts(values, np.array(then["edges"]))
    old, new = (before + 0.5) / (before + 0.5).sum(), (now + 0.5) / (now + 0.5).sum()
    index = float(((new - old) * np.log(new / old)).sum())
    chance = (1 / before.sum() + 1 / now.sum()) * float(chi2.ppf(1 - BY_CHANCE, BINS - 1))
    return Shift(index, bool(index > max(MUCH, chance)))


@dataclass(frozen=True, slots=True)
class _Count:
    """Over labelled questions of one model: the means of what was told and came true, and the former's variance."""

    labelled: int
    told: float
    came: float
    variance: float


def _count(router: LearnedRouter, model: str, outcomes: Sequence[Outcome]) -> _Count:
    known = [outcome for outcome in outcomes if model in outcome.score]
    if not known:
        return _Count(0, 0.0, 0.0, 0.0)
    told = np.array([router.predict(outcome.question)[model] for outcome in known])
    came = np.array([outcome.score[model] for outcome in known])
    return _Count(
        len(known), float(told.mean()), float(came.mean()), float((told * (1 - told)).sum()) / len(known) ** 2
    )


def _gap(then: _Count, now: _Count) -> Gap:
    before = then.came - then.told
    noise = math.sqrt(then.variance + now.variance)
    much = abs(now.came - now.told - before) > max(GAP, SIGMAS * noise)
    return Gap(now.labelled, now.told, now.came, before, much)
