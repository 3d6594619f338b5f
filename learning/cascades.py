"""Play a way of asking models, one after another or some at once, on recorded outcomes: what it is worth, and costs.

What counts as agreement: two recorded answers (`Outcome.pred`, else the recorded text, `Outcome.response`) are the same
in the sense of a `SameAs`, by default as normalised texts, just as running cascades compare them. An empty answer, or
one that was not recorded, agrees with none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import Protocol

import numpy as np

from learning.outcomes import Outcome
from mirepoix.errors import InputError
from mirepoix.spec import SameAs
from pipelines.learned.advice import Heard
from pipelines.learned.answer_policy import AnswerPolicy
from pipelines.learned.states import Floats, Ints
from pipelines.learned.ways import LONGEST, Way
from pipelines.reducers import Member, same_groups

TEXT = SameAs()
AGREEMENTS = (2, 3)


@dataclass(frozen=True, slots=True)
class Step:
    """Ask these models at once, or, where there are none, let the answer of `stands` stand."""

    ask: tuple[str, ...] = ()
    stands: str = ""


class AskingPolicy(Protocol):
    """A way of asking models: what to do after `asked` have answered, looking at their answers alone."""

    def step(self, outcome: Outcome, asked: Sequence[str]) -> Step:
        """Whom to ask next, or what stands."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one question: quality 0..1, USD, the models in the order they were asked, and whose answer stood."""

    quality: float
    cost: float
    asked: tuple[str, ...]
    stands: str


@dataclass(frozen=True, slots=True)
class AgreementCascade:
    """Ask `order`, the first `together` at once, until `agreement` of them say the same; else the last one stands."""

    order: tuple[str, ...]
    agreement: int = 2
    together: int = 1
    by: SameAs = TEXT

    def step(self, outcome: Outcome, asked: Sequence[str]) -> Step:
        """As `AskingPolicy` has it."""
        if not asked:
            return Step(ask=self.order[: self.together])
        groups = groups_in(outcome, asked, self.by)
        sizes = [sum(other == group for other in groups) if group >= 0 else 0 for group in groups]
        if max(sizes) >= self.agreement:
            return Step(stands=max(zip(sizes, range(len(asked)), asked, strict=True))[2])
        rest = self.order[len(asked) :]
        return Step(ask=rest[:1]) if rest else Step(stands=asked[-1])


@dataclass(frozen=True, slots=True)
class LearnedCascade:
    """Ask whom a learned policy asks in this way."""

    policy: AnswerPolicy
    way: Way
    by: SameAs = TEXT

    def step(self, outcome: Outcome, asked: Sequence[str]) -> Step:
        """As `AskingPolicy` has it."""
        groups = groups_in(outcome, asked, self.by)
        heard = {model: Heard(group, characters_of(outcome, model)) for model, group in zip(asked, groups, strict=True)}
        advice = self.policy.advise(outcome.question, heard, self.way)
        return Step(stands=advice.stands or asked[-1]) if advice.ask is None else Step(ask=(advice.ask,))


def simulate(policy: AskingPolicy, outcomes: Sequence[Outcome]) -> list[Result]:
    """What `policy` makes of each outcome; raises InputError where a model's score or cost was not recorded."""
    return [_play(policy, outcome) for outcome in outcomes]


def single(model: str, outcomes: Sequence[Outcome]) -> list[Result]:
    """What asking that model alone makes of each outcome."""
    return [Result(_score(outcome, model), _cost(outcome, model), (model,), model) for outcome in outcomes]


def best_single(models: Sequence[str], outcomes: Sequence[Outcome]) -> str:
    """The model that is right most often; of equals the cheapest."""
    results = {model: single(model, outcomes) for model in models}
    return min(models, key=lambda model: (-quality_of(results[model]), cost_of(results[model])))


def quality_of(results: Sequence[Result]) -> float:
    """The mean quality, 0..1."""
    return fmean(result.quality for result in results)


def cost_of(results: Sequence[Result]) -> float:
    """USD per question."""
    return fmean(result.cost for result in results)


def shares_of(results: Sequence[Result]) -> dict[str, float]:
    """How often each model was asked, as a share of the questions."""
    models = dict.fromkeys(model for result in results for model in result.asked)
    return {model: sum(model in result.asked for result in results) / len(results) for model in models}


def orders(cost: Floats) -> Iterator[tuple[tuple[int, ...], int]]:
    """Up to `LONGEST` of the models, cheapest first, with each agreement that makes sense among them.

    `cost` is USD, [questions, models].
    """
    cheapest_first = cost.mean(axis=0).argsort(kind="stable").tolist()
    for length in range(1, min(LONGEST, len(cheapest_first)) + 1):
        for order in combinations(cheapest_first, length):
            yield from ((order, agreement) for agreement in AGREEMENTS if agreement <= max(length, AGREEMENTS[0]))


def play_agreement(
    order: Sequence[int], agreement: int, groups: Ints, score: Floats, cost: Floats
) -> tuple[Floats, Floats]:
    """As `AgreementCascade` plays, for all questions at once: quality and USD of each."""
    quality, usd = score[:, order[-1]].copy(), np.zeros(len(score))
    open_ = np.ones(len(score), bool)
    for number, model in enumerate(order):
        usd += cost[:, model] * open_
        same = sum((groups[:, other] == groups[:, model]).astype(int) for other in order[: number + 1])
        agreed = open_ & (groups[:, model] >= 0) & (same >= agreement)
        quality[agreed] = score[agreed, model]
        open_ &= ~agreed
    return quality, usd


def groups_in(outcome: Outcome, models: Sequence[str], by: SameAs = TEXT) -> list[int]:
    """For each of `models` the number of the group of same answers that its own is in; -1 where it is in none."""
    members = [Member(str(index), _answer(outcome, model)) for index, model in enumerate(models)]
    groups = [-1] * len(models)
    for number, group in enumerate(same_groups(by, members)):
        for member in group.members:
            groups[int(member.path)] = number
    return groups


def characters_of(outcome: Outcome, model: str) -> int:
    """How long the answer of `model` was; 0 where nothing tells."""
    return outcome.out_chars.get(model, len(_answer(outcome, model)))


def _answer(outcome: Outcome, model: str) -> str:
    return outcome.pred.get(model) or outcome.response.get(model, "")


def _play(policy: AskingPolicy, outcome: Outcome) -> Result:
    asked: tuple[str, ...] = ()
    while (step := policy.step(outcome, asked)).ask:
        asked += step.ask
    cost = sum(_cost(outcome, model) for model in asked)
    return Result(_score(outcome, step.stands), cost, asked, step.stands)


def _score(outcome: Outcome, model: str) -> float:
    if model not in outcome.score:
        raise InputError(f"outcome {outcome.id!r} has no score of {model!r}. Known: {', '.join(outcome.score)}.")
    return outcome.score[model]


def _cost(outcome: Outcome, model: str) -> float:
    if model not in outcome.cost:
        raise InputError(f"outcome {outcome.id!r} has no cost of {model!r}: record it, or give prices.")
    return float(outcome.cost[model])
