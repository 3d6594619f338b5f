"""Who gets which question right, and how sure of it they say they are.

The chance of a right answer is the three-parameter logistic model of item response theory (Birnbaum, 1968),
with one discrimination for all: guess + (1 - guess) * logistic(a * (skill - difficulty)). Two models asked
the same question share a part of their luck, or ensembles would look far too good: z = rho * z_question +
sqrt(1 - rho^2) * z_model, and the answer is right where the normal quantile of the chance lies above z.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from emulator.draws import STANDARD_NORMAL, normal
from emulator.profiles import ModelProfile

DISCRIMINATION = 1.7  # makes the logistic curve follow the normal one
OVERCONFIDENCE = 1.2
_SURE = 1e-6


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a model did on a question: right where `margin`, in standard deviations of luck, is above zero."""

    margin: float

    @property
    def right(self) -> bool:
        """Whether the answer is right."""
        return self.margin > 0


def chance_of_right(profile: ModelProfile, difficulty: float) -> float:
    """P(right answer) of the model on a question of `difficulty`, about N(0, 1) over all questions."""
    return profile.guess + (1 - profile.guess) * _logistic(DISCRIMINATION * (profile.skill - difficulty))


def try_question(
    profile: ModelProfile, difficulty: float, *, shared: random.Random, own: random.Random, rho: float
) -> Outcome:
    """Let the model try: `shared` is the luck all models have with this question, `own` this request's."""
    luck = rho * normal(shared) + math.sqrt(1 - rho * rho) * normal(own)
    chance = chance_of_right(profile, difficulty)
    margin = STANDARD_NORMAL.inv_cdf(min(max(chance, _SURE), 1 - _SURE)) - luck
    # Certain means always: once in a million is too often for a test that counts on it.
    return Outcome(margin=max(margin, _SURE) if chance >= 1 else margin)


def stated_confidence(profile: ModelProfile, outcome: Outcome, draws: random.Random) -> float:
    """How sure the model says it is (0.01..0.99): an over-confident logistic of the true margin and noise.

    The weight w of the margin is set so that, among questions the model gets right half of the time, the
    confidence tells right from wrong with an area under the ROC curve of `confidence_auroc`: with normal
    margin and noise the area is 1/2 + 2/pi * asin(w / sqrt(2)), an orthant probability. At 0.5 the confidence
    is pure noise, at 1 an oracle.
    """
    weight = math.sqrt(2) * math.sin(math.pi / 2 * (profile.confidence_auroc - 0.5))
    signal = weight * outcome.margin + math.sqrt(max(0.0, 1 - weight * weight)) * normal(draws)
    return min(max(_logistic(OVERCONFIDENCE + signal), 0.01), 0.99)


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
