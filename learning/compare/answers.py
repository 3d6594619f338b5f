"""Methods that look at answers: agreement cascades, cascade routing, and votes of three.

All are played on answers that were recorded; of all cascades and votes those that no cheaper one equals on the training
half are the settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from learning.cascades import characters_of, orders, play_agreement
from learning.compare.learned import predict_all
from learning.compare.methods import TARGETS, Trial, Tried
from learning.compare.metrics import Floats
from learning.compare.sweep import Sweep, joined
from learning.compare.table import Table
from learning.policies import Recorded, play, train_policy
from learning.tune import FEWEST, MOST_TIERS, cost_error, shortlist, simplest_safe
from pipelines.learned.answer_policy import AnswerPolicy
from pipelines.learned.margin import safe_quality
from pipelines.learned.states import log_odds
from pipelines.learned.ways import Way

VOTERS = 3
SILENT = -1
ANSWERED = 0.5
"""There is something to agree on where so many answers are recorded."""
LIKE_TUNE = 0.99
"""The target whose best agreement cascade tells which models cascade routing is given."""


@dataclass(frozen=True, slots=True)
class Cascade:
    """Columns of a table in the order in which they are asked, until `agreement` of them say the same."""

    order: tuple[int, ...]
    agreement: int


def answer_methods(trial: Trial) -> Iterator[Tried]:
    """Those that the recorded answers allow; without parsed answers there is nothing to agree on."""
    voters = voters_in(trial.train)
    if not voters:
        return
    found = best_cascades(trial.train, cascades_of(trial.train, voters), TARGETS)
    yield Tried(
        "agreement cascade",
        joined([agreement_cascade(trial.test, one) for one in found.frontier]),
        {target: agreement_cascade(trial.test, one) for target, one in found.chosen.items()},
    )
    if len(trial.train) >= FEWEST:
        policy = train_on(trial.train, voters, found.chosen[LIKE_TUNE], trial.seed)
        best = frontier(policy.promise.quality, policy.promise.cost)
        swept = ask_by_policy(policy, trial.test, [policy.promise.ways[index] for index in best])
        yield Tried("cascade routing", swept, promised(policy, trial.test, TARGETS))
    triples = list(combinations(sorted(voters, key=lambda model: -trial.train.score[:, model].mean()), VOTERS))
    on_train = joined([vote(trial.train, three) for three in triples])
    best = frontier(on_train.quality.mean(axis=0), on_train.cost.mean(axis=0))
    on_test = joined([vote(trial.test, triples[index]) for index in best])
    yield Tried("vote of three", on_test, trial.choose(on_train.settings(best), on_test))


def voters_in(table: Table) -> list[int]:
    """The models whose answers can be compared, the most useful ones where they are many; none if fewer than three."""
    told = [
        name for name, said in zip(table.models, (table.said != SILENT).mean(axis=0), strict=True) if said >= ANSWERED
    ]
    if len(told) < VOTERS:
        return []
    return [table.column(name) for name in shortlist(table.outcomes, told, (), MOST_TIERS)]


def cascades_of(table: Table, voters: Sequence[int]) -> list[Cascade]:
    """All that `mirepoix tune` tries: up to four of the models, cheapest first, and each agreement among them."""
    tried = orders(table.cost[:, list(voters)])
    return [Cascade(tuple(voters[index] for index in order), agreement) for order, agreement in tried]


@dataclass(frozen=True, slots=True)
class Best:
    """Those that nothing cheaper equals, from the cheapest, and the one to choose for each target."""

    frontier: list[Cascade]
    chosen: dict[float, Cascade]


def best_cascades(table: Table, tried: Sequence[Cascade], targets: Sequence[float]) -> Best:
    """The best of those `tried` on the questions of `table`, where the target is a share of its strong model's."""
    strong = table.score[:, table.strong]
    safe, quality, usd, error = np.empty((4, len(tried)))
    for number, one in enumerate(tried):
        right, spent = play_agreement(one.order, one.agreement, table.said, table.score, table.cost)
        safe[number], quality[number] = safe_quality(right, strong), right.mean()
        usd[number], error[number] = spent.mean(), cost_error(spent)
    return Best(
        [tried[index] for index in frontier(quality, usd)],
        {target: tried[simplest_safe(safe, usd, error, target)] for target in targets},
    )


def agreement_cascade(table: Table, cascade: Cascade) -> Sweep:
    """What one cascade does with each question."""
    played = cascade.order, cascade.agreement, table.said, table.score
    quality, usd = play_agreement(*played, table.cost)
    _, asked = play_agreement(*played, _own_bits(table.cost))
    return Sweep(quality[:, None], usd[:, None], _shares(asked[:, None], len(table.models)))


def train_on(table: Table, voters: Sequence[int], cascade: Cascade, seed: int) -> AnswerPolicy:
    """A policy of as many models as it can know: those of `cascade` and the most useful others, as in `tune`."""
    names = table.models
    first = [names[model] for model in cascade.order]
    models = shortlist(table.outcomes, [names[model] for model in voters], first)
    return train_policy(table.outcomes, models, seed=seed)


def promised(policy: AnswerPolicy, table: Table, targets: Sequence[float]) -> dict[float, Sweep]:
    """What the policy does with each question of `table` in the way that it chooses for each target."""
    ways = [policy.promise.ways[policy.promise.way_for(target)] for target in targets]
    swept = ask_by_policy(policy, table, ways)
    return {target: swept.setting(index) for index, target in enumerate(targets)}


def ask_by_policy(policy: AnswerPolicy, table: Table, ways: Sequence[Way]) -> Sweep:
    """What the policy does with each question of `table` in each of the ways."""
    recorded = recorded_for(policy, table)
    quality, cost = play(policy, recorded, ways)
    _, asked = play(policy, replace(recorded, cost=_own_bits(recorded.cost)), ways)
    shares = np.zeros((len(table.models), len(ways)))
    shares[[table.column(model) for model in policy.models]] = _shares(asked.T, len(policy.models))
    return Sweep(quality.T, cost.T, shares)


def recorded_for(policy: AnswerPolicy, table: Table) -> Recorded:
    """The table as the policy sees it, for the models that it knows."""
    columns = [table.column(model) for model in policy.models]
    characters = [[characters_of(outcome, model) for model in policy.models] for outcome in table.outcomes]
    return Recorded(
        groups=table.said[:, columns],
        prior=log_odds(predict_all(policy.router, table)[:, columns]),
        length=(np.log1p(characters) - policy.length_mean) / policy.length_spread,
        score=table.score[:, columns],
        cost=table.cost[:, columns],
        characters=np.array([float(len(question)) for question in table.questions]),
    )


def vote(table: Table, voters: tuple[int, ...]) -> Sweep:
    """Ask three; what two of them say stands, else what the first says, or the first that says anything."""
    first, second, third = (table.said[:, voter] for voter in voters)
    agree = (second == third) & (second != SILENT) & (first != second)
    spoke = np.where(first != SILENT, voters[0], np.where(second != SILENT, voters[1], voters[2]))
    stands = np.where(agree, voters[1], spoke)
    asked = np.zeros((len(table.models), 1))
    asked[list(voters)] = 1
    spent = table.cost[:, list(voters)].sum(axis=1)
    return Sweep(table.score[np.arange(len(table)), stands][:, None], spent[:, None], asked)


def frontier(quality: Floats, cost: Floats) -> list[int]:
    """The places of those that nothing cheaper equals, from the cheapest."""
    best: list[int] = []
    for index in np.lexsort((-quality, cost)).tolist():
        if not best or quality[index] > quality[best[-1]]:
            best.append(index)
    return best


def _own_bits(cost: Floats) -> Floats:
    """A cost for each model that tells it apart in any sum: 1, 2, 4, …; so what was spent tells who was asked."""
    return np.broadcast_to(2.0 ** np.arange(cost.shape[1]), cost.shape)


def _shares(spent: Floats, models: int) -> Floats:
    """How often each model was asked, [models, settings], by sums of `_own_bits` [questions, settings]."""
    bits = spent.astype(np.int64)[None] >> np.arange(models)[:, None, None] & 1
    return np.asarray(bits.mean(axis=1))
