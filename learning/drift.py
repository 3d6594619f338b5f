"""Whether questions and answers are still what a router was trained for.

Questions: how the chances that it tells, and the lengths of questions, are spread over the tenths that they had when
it was measured (population stability index: below 0.1 nothing has changed, above 0.25 much has; Siddiqi, 2006).
Answers: how often models were right, beside how often the router said they would be.
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
BY_CHANCE = 0.01
"""A change that chance would make more often than this is none."""
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
    """What was said of a model and what came true, over so many labelled questions."""

    labelled: int
    predicted: float
    right: float
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


def profile_of(router: LearnedRouter, questions: Sequence[str]) -> dict[str, Any]:
    """What questions look like to the router: for each measure the edges of its tenths, and how many fall in each."""
    profile = {}
    for name, values in _measures(router, questions).items():
        edges = np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1])
        profile[name] = {"edges": edges.tolist(), "counts": _counts(values, edges).tolist()}
    return profile


def find_drift(router: LearnedRouter, profile: Mapping[str, Any], outcomes: Sequence[Outcome]) -> Drift:
    """Compare questions with the `profile` of those that the router was measured by, and their scores with its chances.

    The router must not have learned from them: it is too sure of those. Raises InputError for too few of them.
    """
    questions = [outcome.question for outcome in outcomes]
    if len(questions) < FEWEST:
        raise InputError(f"{len(questions)} questions that it has not learned from are too few; {FEWEST} are needed.")
    shifts = {
        name: _shift(np.array(profile[name]["counts"], float), _counts(values, np.array(profile[name]["edges"])))
        for name, values in _measures(router, questions).items()
    }
    gaps = {model: gap for model in router.models if (gap := _gap(router, model, outcomes)) is not None}
    return Drift(len(questions), shifts, gaps)


def _measures(router: LearnedRouter, questions: Sequence[str]) -> dict[str, Floats]:
    predicted = [router.predict(question) for question in questions]
    lengths = np.array([float(len(question)) for question in questions])
    return {LENGTH: lengths} | {
        f"chance of {model}": np.array([chance[model] for chance in predicted]) for model in router.models
    }


def _counts(values: Floats, edges: Floats) -> Floats:
    return np.bincount(np.searchsorted(edges, values, side="left"), minlength=BINS).astype(float)


def _shift(before: Floats, now: Floats) -> Shift:
    """The population stability index, and whether chance would make as much.

    Where nothing has changed it is about (1/n + 1/m) times chi-square of the bins less one (Yurdakul, 2018).
    """
    old, new = (before + 0.5) / (before + 0.5).sum(), (now + 0.5) / (now + 0.5).sum()
    index = float(((new - old) * np.log(new / old)).sum())
    chance = (1 / before.sum() + 1 / now.sum()) * float(chi2.ppf(1 - BY_CHANCE, BINS - 1))
    return Shift(index, index > max(MUCH, chance))


def _gap(router: LearnedRouter, model: str, outcomes: Sequence[Outcome]) -> Gap | None:
    known = [outcome for outcome in outcomes if model in outcome.score]
    if len(known) < FEWEST_LABELS:
        return None
    told = np.array([router.predict(outcome.question)[model] for outcome in known])
    came = np.array([outcome.score[model] for outcome in known])
    gap, noise = float(came.mean() - told.mean()), math.sqrt(float((told * (1 - told)).sum())) / len(known)
    return Gap(len(known), float(told.mean()), float(came.mean()), abs(gap) > max(GAP, SIGMAS * noise))
