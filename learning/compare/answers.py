"""Methods that look at answers: agreement cascades, cascade routing, and votes of three.

Cascades and votes are played on answers that were recorded, in all orders; those that no cheaper one equals on the
training half are its settings. `learning.cascades` plays one cascade as a running one goes; here thousands are played,
so each is a few operations on arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, permutations
from math import perm

import numpy as np
from numpy.typing import NDArray

from learning.cascades import LearnedCascade, characters_of, groups_in, shares_of, simulate
from learning.compare.learned import predict_all
from learning.compare.methods import TARGETS, Trial, Tried
from learning.compare.metrics import Floats
from learning.compare.sweep import Sweep
from learning.compare.table import Table
from learning.policies import PRICES, Recorded, play, train_policy
from pipelines.learned.answer_policy import MOST_MODELS, AnswerPolicy
from pipelines.learned.states import log_odds

LONGEST = 4
"""Models in a cascade."""
MOST_ORDERS = 4_000
VOTERS = 3
SILENT = -1
ANSWERED = 0.5
"""There is something to agree on where so many answers are recorded."""

Codes = NDArray[np.int64]
Play = Callable[[Table, Codes, tuple[int, ...]], Sweep]


def answer_methods(trial: Trial) -> Iterator[Tried]:
    """Those that the recorded answers allow; without parsed answers there is nothing to agree on."""
    known, unseen = answer_codes(trial.train), answer_codes(trial.test)
    voters = [model for model in range(len(trial.train.models)) if (known[:, model] != SILENT).mean() >= ANSWERED]
    if len(voters) < VOTERS:
        return
    orders = [order for length in range(VOTERS, LONGEST + 1) for order in _orders(trial, voters, length)]
    yield _best_orders("agreement cascade", trial, agreement_cascade, orders, (known, unseen))
    yield cascade_routing(trial, voters)
    triples = list(combinations(sorted(voters, key=lambda model: -trial.train.score[:, model].mean()), VOTERS))
    yield _best_orders("vote of three", trial, vote, triples, (known, unseen))


def answer_codes(table: Table) -> Codes:
    """A number for each answer, [questions, models]: the same where two models say the same; -1 where one is silent."""
    return np.array([groups_in(outcome, table.models) for outcome in table.outcomes])


def agreement_cascade(table: Table, codes: Codes, order: tuple[int, ...]) -> Sweep:
    """Ask the models in turn until one says what an earlier one said; its answer stands, else that of the last."""
    columns = list(order)
    said = codes[:, columns]
    agrees = np.stack(
        [(said[:, [k]] == said[:, :k]).any(axis=1) & (said[:, k] != SILENT) for k in range(len(order))], 1
    )
    agrees[:, -1] = True
    last = agrees.argmax(axis=1)
    rows = np.arange(len(table))
    spent = table.cost[:, columns].cumsum(axis=1)[rows, last]
    asked = np.zeros((len(table.models), 1))
    asked[columns, 0] = [(last >= place).mean() for place in range(len(order))]
    return Sweep(table.score[rows, np.array(columns)[last]][:, None], spent[:, None], asked)


def cascade_routing(trial: Trial, voters: Sequence[int]) -> Tried:
    """Ask whom a learned answer policy asks, at each price of quality; for a target, at the price that it promises."""
    test = trial.test
    policy = train_policy(trial.train.outcomes, _most_useful(trial.train, voters, MOST_MODELS), seed=trial.seed)
    prices = PRICES / trial.unit
    quality, cost = play(policy, _recorded(policy, test), prices)
    played: dict[float, Sweep] = {}
    for price in {policy.promise.price_for(target)[0] for target in TARGETS}:
        results = simulate(LearnedCascade(policy, price), test.outcomes)
        shares = shares_of(results)
        played[price] = Sweep(
            np.array([[one.quality] for one in results]),
            np.array([[one.cost] for one in results]),
            np.array([[shares.get(model, 0.0)] for model in test.models]),
        )
    chosen = {target: played[policy.promise.price_for(target)[0]] for target in TARGETS}
    return Tried("cascade routing", Sweep(quality.T, cost.T, np.zeros((len(test.models), len(prices)))), chosen)


def _recorded(policy: AnswerPolicy, table: Table) -> Recorded:
    """The table as the policy sees it, for the models that it knows."""
    columns = [table.column(model) for model in policy.models]
    characters = [[characters_of(outcome, model) for model in policy.models] for outcome in table.outcomes]
    return Recorded(
        groups=np.array([groups_in(outcome, policy.models) for outcome in table.outcomes]),
        prior=log_odds(predict_all(policy.router, table)[:, columns]),
        length=(np.log1p(characters) - policy.length_mean) / policy.length_spread,
        score=table.score[:, columns],
        cost=table.cost[:, columns],
        characters=np.array([float(len(question)) for question in table.questions]),
    )


def vote(table: Table, codes: Codes, voters: tuple[int, ...]) -> Sweep:
    """Ask three; what two of them say stands, else what the first says, or the first that says anything."""
    first, second, third = (codes[:, voter] for voter in voters)
    agree = (second == third) & (second != SILENT) & (first != second)
    spoke = np.where(first != SILENT, voters[0], np.where(second != SILENT, voters[1], voters[2]))
    stands = np.where(agree, voters[1], spoke)
    asked = np.zeros((len(table.models), 1))
    asked[list(voters)] = 1
    spent = table.cost[:, list(voters)].sum(axis=1)
    return Sweep(table.score[np.arange(len(table)), stands][:, None], spent[:, None], asked)


def _orders(trial: Trial, voters: Sequence[int], length: int) -> list[tuple[int, ...]]:
    """All orders of so many models; where those are too many, of the most useful ones."""
    count = max(n for n in range(1, len(voters) + 1) if n <= length or perm(n, length) <= MOST_ORDERS)
    useful = [trial.train.column(model) for model in _most_useful(trial.train, voters, count)]
    return list(permutations(sorted(useful), length))


def _most_useful(table: Table, voters: Sequence[int], count: int) -> list[str]:
    """So many of the models, by how few others are both better and cheaper; of equals the better ones."""
    score, cost = table.score.mean(axis=0), table.cost.mean(axis=0)
    order = sorted(voters, key=lambda m: (int(((score > score[m]) & (cost < cost[m])).sum()), -score[m]))
    return [table.models[model] for model in sorted(order[:count])]


def _best_orders(
    name: str, trial: Trial, played: Play, orders: Sequence[tuple[int, ...]], codes: tuple[Codes, Codes]
) -> Tried:
    """Those that no cheaper order equals on the training half, tried on unseen questions."""
    known, unseen = codes
    swept = [played(trial.train, known, order) for order in orders]
    quality = np.array([one.quality.mean() for one in swept])
    cost = np.array([one.cost.mean() for one in swept])
    best = frontier(quality, cost)
    on_train = joined([swept[index] for index in best])
    on_test = joined([played(trial.test, unseen, orders[index]) for index in best])
    return Tried(name, on_test, trial.choose(on_train, on_test))


def frontier(quality: Floats, cost: Floats) -> list[int]:
    """The places of those that nothing cheaper equals, from the cheapest."""
    best: list[int] = []
    for index in np.lexsort((-quality, cost)).tolist():
        if not best or quality[index] > quality[best[-1]]:
            best.append(index)
    return best


def joined(settings: Sequence[Sweep]) -> Sweep:
    """Settings of one method as one sweep."""
    return Sweep(
        np.concatenate([one.quality for one in settings], axis=1),
        np.concatenate([one.cost for one in settings], axis=1),
        np.concatenate([one.asked for one in settings], axis=1),
    )
