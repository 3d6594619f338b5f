"""How a question stands while its models are asked, as numbers: who was asked, who agrees with whom, at what length.

What is known of many questions at the same point, the same models asked, is worked out at once: arrays are
[questions, models], and what a linear model weighs [questions, features].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SURE = 4.6
"""Log-odds of a chance of 0.99: none that was learned from a sample counts for more."""


def log_odds(chance: Floats) -> Floats:
    """ln(p / (1 - p)), from -`SURE` to `SURE`."""
    bound = 1 / (1 + np.exp(-SURE))
    kept = np.clip(chance, 1 - bound, bound)
    return np.log(kept / (1 - kept))


def chance_of(odds: Floats) -> Floats:
    """The chance whose log-odds these are."""
    return np.asarray(1 / (1 + np.exp(-odds)))


@dataclass(frozen=True, eq=False)
class States:
    """Questions of which the models `asked` have answered; what the others would say is not looked at.

    Answers of one question with the same number in `groups` are the same, and a negative number is no answer.
    `prior` are the log-odds, from the question alone, that each model is right. `length` is how long an answer is:
    the logarithm of its characters, in standard deviations above that model's mean.
    """

    asked: tuple[bool, ...]
    groups: Ints
    prior: Floats
    length: Floats

    @cached_property
    def mask(self) -> Floats:
        """1 for each model that was asked and answered, [questions, models]."""
        return np.array(self.asked, float) * (self.groups >= 0)

    def supporters(self, model: int) -> Floats:
        """1 for each model that says what `model` says, [questions, models]."""
        same: Floats = (self.groups == self.groups[:, [model]]) * self.mask * self.mask[:, [model]]
        return same

    def candidate(self, model: int) -> Floats:
        """What speaks for and against the answer of `model`, [questions, features]."""
        support = self.supporters(model)
        dissent = self.mask - support
        backing, against = support.sum(axis=1, keepdims=True), dissent.sum(axis=1, keepdims=True)
        alone = (backing == 1).astype(float)
        return np.hstack(
            [
                support,
                dissent,
                alone,
                backing >= 3,
                self.rivals(dissent) >= 2,
                self.prior,
                self.prior * alone,
                _mean(self.prior, support, backing),
                _mean(self.prior, dissent, against),
                _mean(self.length, support, backing),
                _mean(self.length, dissent, against),
            ]
        )

    def prospect(self, top: Ints, chance: Floats, second: Floats) -> Floats:
        """What tells how much further models would help, [questions, features].

        `top` is a model of the answer that is most likely right, `chance` how likely, `second` that of the next.
        """
        rows = np.arange(len(top))
        support = (self.groups == self.groups[rows, top][:, None]) * self.mask
        best = chance[:, None]
        backing = support.sum(axis=1, keepdims=True)
        unasked = self.prior * (1 - np.array(self.asked, float))
        return np.hstack(
            [
                best,
                log_odds(best),
                second[:, None],
                support,
                self.mask - support,
                backing == 1,
                self.prior,
                self.prior * best,
                unasked,
                unasked * (1 - best),
                _mean(self.length, self.mask, self.mask.sum(axis=1, keepdims=True)),
            ]
        )

    def rivals(self, dissent: Floats) -> Floats:
        """How many agree with each other on something else, at the most, [questions, 1]."""
        most = np.zeros((len(dissent), 1))
        for model in range(len(self.asked)):
            most[:, 0] = np.maximum(most[:, 0], self.supporters(model).sum(axis=1) * dissent[:, model])
        return most


def _mean(values: Floats, of: Floats, count: Floats) -> Floats:
    mean: Floats = (values * of).sum(axis=1, keepdims=True) / np.maximum(count, 1)
    return mean
